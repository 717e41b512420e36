"""Secrets do not leave; data and code do, unchanged."""

from __future__ import annotations

import base64
import hashlib
import random
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codeact_kernel.model.masking import MASK, mask, secret_values

# Made up, and put together here so that no scanner takes them for real ones.
OPENAI = "sk-" + "proj-Ab3dEf6hIj9kLm2nOp5qRs8t"
GITHUB = "ghp_" + "a1B2" * 9
AWS = "AKIA" + "IOSFODNN7ABCDEFG"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "ABCDEFGHIJ"
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
BODY = "\n".join(
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7" + str(n) * 12 for n in range(6)
)
PEM = "-----BEGIN RSA PRIVATE " + f"KEY-----\n{BODY}\nAb3=\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "secret",
    [
        OPENAI, "sk-" + "ant-api03-" + "x1Y2" * 20, "sk-" + "or-v1-" + "0a" * 32, GITHUB, "github_pat_" + "1A_b" * 12,
        "glpat-" + "x1Y2z3-_" * 3, AWS, "AIza" + "Sy1" + "a1B-" * 8, "xoxb-" + "123456789012-abcDEF",
        "hf_" + "aBcD" * 8, "gsk_" + "aBcD1" * 10, "npm_" + "a1B2" * 9, "pypi-" + "AgEIcHlwaS5vcmc" * 5,
        "sk_live_" + "a1B2" * 6, JWT,
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "the key is {}.",
        "key={}",
        "x = '{}'",
        '{{"k": "{}"}}',
        "?a=1&k={}&b=2",
        "({})",
        "{}\n{}",
    ],
)
def test_keys_of_known_shapes_are_masked_wherever_they_stand(secret: str, around: str) -> None:
    masked = mask(around.format(secret, secret))
    assert secret not in masked
    assert secret[8:20] not in masked
    assert masked.replace(MASK, "") in (around.format("", ""), f"{around.format('', '')}.")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password = 'hunter2'", f"password = '{MASK}'"),
        ('password="correct horse battery"', f'password="{MASK}"'),
        ('password = "it\'s-secret1"', f'password = "{MASK}"'),
        (r'password = "a\"b\"c"', f'password = "{MASK}"'),
        ("PASSWORD = 'hunter2'", f"PASSWORD = '{MASK}'"),
        ("db_password: 'hunter2'", f"db_password: '{MASK}'"),
        ("password: str = 'hunter2'", f"password: str = '{MASK}'"),
        ("connect(host='db', passwd='hunter2', port=1)", f"connect(host='db', passwd='{MASK}', port=1)"),
        ('{"user": "me", "password": "hunter2"}', f'{{"user": "me", "password": "{MASK}"}}'),
        (r'"{\"password\": \"hunter2\"}"', rf'"{{\"password\": \"{MASK}\"}}"'),
        ("os.environ['API_KEY'] = 'abcd1234'", f"os.environ['API_KEY'] = '{MASK}'"),
        ("api_key='abcd1234'", f"api_key='{MASK}'"),
        ("apiKey: 'abcd1234'", f"apiKey: '{MASK}'"),
        ('"api-key": "abcd1234"', f'"api-key": "{MASK}"'),
        ("client_secret = b'abcd1234'", f"client_secret = b'{MASK}'"),
        ("PGPASSWORD=correcthorse", f"PGPASSWORD={MASK}"),
        ("export DB_PASSWORD=hunter2 && run", f"export DB_PASSWORD={MASK} && run"),
        ("API_KEY=abcd1234\nNEXT=1", f"API_KEY={MASK}\nNEXT=1"),
        ("Server=db;Password=hunter2;Port=1", f"Server=db;Password={MASK};Port=1"),
        ("password: hunter2", f"password: {MASK}"),
        (f"aws_secret_access_key = {AWS_SECRET}", f"aws_secret_access_key = {MASK}"),
        (f"token = '{AWS_SECRET}'", f"token = '{MASK}'"),
        ("postgresql://me:hunter2@db:5432/x", f"postgresql://me:{MASK}@db:5432/x"),
        ("redis://:hunter2@cache/0", f"redis://:{MASK}@cache/0"),
        ("Authorization: Bearer abcdef0123456789xyz", f"Authorization: Bearer {MASK}"),
        ('{"Authorization": "Basic dXNlcjpwYXNzd29yZDE="}', f'{{"Authorization": "Basic {MASK}"}}'),
        ("curl -H 'authorization: token 0123456789abcdef01'", f"curl -H 'authorization: token {MASK}'"),
        (PEM, MASK),
        (repr(PEM), f"'{MASK}'"),
        (PEM[:300], MASK),
        ("x = (\n" + "\n".join(f'    "{line}\\n"' for line in PEM.split("\n")) + "\n)", f'x = (\n    "{MASK}\\n"\n)'),
    ],
)  # fmt: skip
def test_values_that_are_called_secret_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


rng = random.Random(7)
BYTES = rng.randbytes(60_000)
DATA = [
    hashlib.md5(BYTES).hexdigest(),
    hashlib.sha256(BYTES).hexdigest(),
    f"sha256={hashlib.sha256(BYTES).hexdigest()}",
    "commit 5299f88c0b6c4bd8a0d9c0d9f7d1c2b3a4e5f601",
    *(str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(50)),
    base64.b64encode(BYTES).decode(),
    base64.urlsafe_b64encode(BYTES).decode(),
    "data:image/png;base64," + base64.b64encode(BYTES).decode(),
    " ".join(base64.b32encode(rng.randbytes(20)).decode() for _ in range(300)),
]
CODE = [
    "password = getpass.getpass()",
    "password = os.environ['DB_PASSWORD']",
    "api_key=os.environ['OPENAI_API_KEY']",
    "client = Client(api_key=settings.api_key)",
    "def login(user: str, password: str = '') -> None:",
    "password = input('Password: ')",
    "for key, value in items.items(): total[key] = value1",
    "key = lambda row: row['price2']",
    "df.sort_values(key=lambda s: s.str.len())",
    "{'token': 'language1', 'lemma': 'be', 'key': 'C#m7'}",
    "token = tokens[0]; next_token = tokens[1]",
    "secret = secrets.token_hex(16)",
    "assert password != 'x'",
    "if password == expected_password2: ok()",
    "password: {password}",
    "api_key = '<your key here>'",
    "api_key = 'your-api-key'",
    "password='${DB_PASSWORD}'",
    "password = '********'",
    "password = None",
    "secret_name = 'prod/db'",
    "primary_key = 'customer_id'; foreign_key='order_id'",
    "key = 'customer_identifier_2024'",
    "public_key = 'abcd'",
    "max_tokens=4096, n_tokens = 1234",
    "Secret Santa: Anna",
    "password reset: see page 12",
    "The token 'password' occurs 3 times",
    "https://example.org:8080/a@b?c=d",
    "see http://host/path:1 and mail me@example.org",
    "f'postgresql://{user}:{password}@{host}/db'",
    "postgres://user:$PASSWORD@host",
    "Basic characteristics and internationalization",
    "Bearer of good news, internationalization",
    "if '-----BEGIN PRIVATE KEY-----' in text and 'x' in text: pass",
    "-----BEGIN PUBLIC KEY-----\n" + BODY + "\n-----END PUBLIC KEY-----",
    "-----BEGIN CERTIFICATE-----\n" + BODY + "\n-----END CERTIFICATE-----",
    "sk-learn and sk-image; task-sk-" + "a" * 30,
    "sk-this-is-a-long-css-class-name-indeed",
    "AKIASTATION and eyJhIjoxfQ",
    "   password  email\n0  hunter2  a@b.c",
    "user,password\nme,hunter2",
]  # fmt: skip


@pytest.mark.parametrize("text", DATA + CODE)
def test_data_and_ordinary_code_are_left_alone(text: str) -> None:
    assert mask(text) == text


FRAGMENTS = st.sampled_from([
    "password", "PASSWORD", "api_key", "token", "key", "secret", "=", ":", " = ", ": ", "'", '"', "\\", "\\'", "\n",
    " ", "hunter2", "://", "@", "u:", MASK, "[masked", OPENAI, AWS, JWT, AWS_SECRET, "Bearer ", "Authorization: ",
    "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", BODY, "str", "{", "(", "A1b", "é", "x",
])  # fmt: skip


@given(st.lists(FRAGMENTS | st.text(max_size=6), max_size=14).map("".join))
@example("password='" + MASK + "'")
@example(f"password: hunter2{OPENAI}")
def test_masking_again_changes_nothing(text: str) -> None:
    once = mask(text)
    assert mask(once) == once


@given(st.text(max_size=200))
def test_text_without_anything_secret_about_it_stays(text: str) -> None:
    assert MASK in text or mask(text) == text or any(c in text for c in "=:")


@given(
    st.text(max_size=60),
    st.text(max_size=60),
    st.from_regex(r"[A-Za-z0-9!#%-]{8,40}", fullmatch=True),
)
def test_known_values_never_leave(before: str, after: str, value: str) -> None:
    masked = mask(before + value + after, secret_values({"MY_TOKEN": value}))
    if secret_values({"MY_TOKEN": value}):
        assert value not in masked


def test_secrets_of_the_environment_are_known_by_the_names_of_their_variables() -> None:
    environ = {
        "OPENAI_API_KEY": "one-key-1234",
        "DB_PASSWORD": "pass word 99",
        "GITHUB_TOKEN": " padded-token-7\n",
        "SSH_KEY": "/home/me/.ssh/id",
        "TOKENIZERS_PARALLELISM": "false-false-1",
        "MY_TOKEN": "short",
        "KEY": "keyboard",
        "MONKEY": "not-a-secret-1",
        "PATH": "/usr/bin",
    }
    known = secret_values(environ, "given-key-12345678", "")
    assert known == ("given-key-12345678", "padded-token-7", "one-key-1234", "pass word 99")


def test_the_longest_known_value_is_replaced_first() -> None:
    known = secret_values({"A_KEY": "abcd1234", "B_KEY": "abcd1234efgh"})
    assert mask("abcd1234efgh abcd1234", known) == f"{MASK} {MASK}"


@pytest.mark.parametrize(
    "unit",
    [
        "password", "password=", "password='", "password = \"", "passw", "secret: ", "token: 'aA1", "key='", "api_key=x1",
        "://", "://a:", "eyJ", "eyJaaaaaaaa.", "sk-", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----\n", "Bearer ", "\\",
        "Authorization: ", " ", "A", "\n'", "password=\\'", "-----BEGIN PRIVATE KEY-----\nAAAAAAAAAAAAAAAAAAAAAAAA\n",
    ],
)  # fmt: skip
def test_no_text_is_slow(unit: str) -> None:
    """Quadratic time would take minutes here, and the suite's time limit would stop it."""
    assert len(mask(unit * (2_000_000 // len(unit)))) > 0

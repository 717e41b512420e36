"""What code behind the walls can and cannot reach."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

from codeact_kernel.sandbox.keeper import descendants

from .conftest import MakeInner
from .test_deaths import keeper

WALLED = ("bubblewrap", "sandlock")
walled = pytest.mark.parametrize("kind", WALLED, indirect=True)

ATTEMPT = """
def attempt(what):
    try:
        what()
    except BaseException as error:
        return type(error).__name__
    return "done"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with secrets, and a project in it with a notebook folder."""
    home = tmp_path / "home"
    notebooks = home / "project" / "notebooks"
    notebooks.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", home / "project"], check=True)
    (home / "project" / "data.csv").write_text("a,b")
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id").write_text("secret")
    (home / "diary.txt").write_text("secret")
    (notebooks / ".envrc").write_text("echo")
    monkeypatch.setenv("HOME", str(home))
    return home


@walled
async def test_the_workspace_is_writable_and_the_project_readable(
    kind: str, make: MakeInner, home: Path
) -> None:
    inner = make(kind, folder=home / "project" / "notebooks")
    assert inner.workspace.project == home / "project"
    await inner.start()
    assert await inner.run(
        "open('made.txt', 'w').write('x'); print(open('../data.csv').read())"
    ) == ("a,b\n")
    assert (home / "project" / "notebooks" / "made.txt").read_text() == "x"
    await inner.run(ATTEMPT)
    for path in ("../data.csv", "../new.txt", "../.git/config", "../.git/hooks/pre-commit"):
        said = await inner.run(f"print(attempt(lambda: open({path!r}, 'a')))")
        assert said.strip() in {"OSError", "PermissionError"}, path


@walled
async def test_nothing_else_of_the_home_folder_is_there(
    kind: str, make: MakeInner, home: Path
) -> None:
    inner = make(kind, folder=home / "project" / "notebooks")
    await inner.start()
    await inner.run(ATTEMPT + "import os")
    for path in ("~/.ssh/id", "~/diary.txt"):
        said = await inner.run(f"print(attempt(lambda: open(os.path.expanduser({path!r}))))")
        assert said.strip() in {"FileNotFoundError", "PermissionError"}, path


@walled
async def test_what_is_written_beside_the_workspace_fails_instead_of_vanishing(
    kind: str, make: MakeInner, home: Path
) -> None:
    inner = make(kind, folder=home / "project" / "notebooks")
    await inner.start()
    await inner.run(ATTEMPT + "import os")
    for path in ("~/result.csv", "~/.cache", "/result.csv", "/etc/result.csv"):
        said = await inner.run(f"print(attempt(lambda: open(os.path.expanduser({path!r}), 'w')))")
        assert said.strip() in {"OSError", "PermissionError"}, path


@walled
async def test_dot_files_git_metadata_and_the_spool_are_not_writable(
    kind: str, make: MakeInner, home: Path
) -> None:
    (home / "project" / "notebooks" / ".git").mkdir()
    inner = make(kind, folder=home / "project" / "notebooks")
    await inner.start()
    await inner.run(ATTEMPT)
    spool = inner.kernel.spool
    (spool / "full.txt").write_text("all of it")
    for path in (".envrc", ".git/config", str(spool / "full.txt"), str(spool / "new")):
        said = await inner.run(f"print(attempt(lambda: open({path!r}, 'w')))")
        assert said.strip() in {"OSError", "PermissionError"}, path
    assert (home / "project" / "notebooks" / ".envrc").read_text() == "echo"
    assert await inner.run(f"print(open({str(spool / 'full.txt')!r}).read())") == "all of it\n"


@walled
async def test_in_the_home_folder_itself_dot_folders_are_hidden(
    kind: str, make: MakeInner, home: Path
) -> None:
    inner = make(kind, folder=home)
    await inner.start()
    await inner.run(ATTEMPT)
    assert (await inner.run("print(attempt(lambda: open('.ssh/id')))")).strip() in {
        "FileNotFoundError",
        "PermissionError",
    }
    assert await inner.run("print(open('diary.txt').read())") == "secret\n"


async def test_the_environment_holds_no_secret_of_the_front(
    kind: str, make: MakeInner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEACT_API_KEY", "sk-not-for-you")
    monkeypatch.setenv("SOME_TOKEN", "not-for-you")
    inner = make(kind)
    await inner.start()
    said = await inner.run(
        "import os, pathlib\n"
        "print(dict(os.environ))\n"
        "for entry in pathlib.Path('/proc').glob('[0-9]*/environ'):\n"
        "    try: print(entry.read_bytes())\n"
        "    except OSError: pass\n"
        if kind != "none"
        else "import os; print(dict(os.environ))"
    )
    assert "not-for-you" not in said
    assert "JPY_PARENT_PID" not in said


@walled
async def test_neither_the_network_nor_a_socket_outside_can_be_reached(
    kind: str, make: MakeInner, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        outside = socket.socket(socket.AF_UNIX)
        outside.bind(str(tmp_path / "s"))
        outside.listen()
        inner = make(kind)
        await inner.start()
        await inner.run(ATTEMPT + "import socket")
        port = server.getsockname()[1]
        for connect in (
            f"socket.create_connection(('127.0.0.1', {port}), 2)",
            "socket.create_connection(('192.0.2.1', 80), 2)",
            f"socket.socket(socket.AF_UNIX).connect({str(tmp_path / 's')!r})",
        ):
            assert await inner.run(f"print(attempt(lambda: {connect}))") != "done\n", connect
        outside.close()


async def test_no_process_inside_holds_the_keepers_pipes(kind: str, make: MakeInner) -> None:
    inner = make(kind)
    await inner.start()
    theirs = {link for pid in descendants(keeper()) for link in pipes(pid)}
    # The keeper holds one end each of: commands, news, and what the command says (not secret).
    shared = [link for link in pipes(keeper()) if link in theirs]
    assert len(shared) == 1
    assert shared[0] not in pipes(os.getpid())


def pipes(pid: int) -> set[str]:
    links = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    return {link for link in links if link.startswith("pipe:")}


async def test_another_interpreter_runs_the_code_behind_the_same_walls(
    kind: str, make: MakeInner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "env" / "bin" / "python"
    venv.create(tmp_path / "env")
    (path,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (path / "shared.pth").write_text(sysconfig.get_path("purelib"))
    (tmp_path / "kernels" / "other").mkdir(parents=True)
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "language": "python",
    }
    (tmp_path / "kernels" / "other" / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    inner = make(kind, inner_kernel="other")
    await inner.start()
    assert await inner.run("import sys, numpy; print(sys.executable)") == f"{python}\n"


@walled
async def test_the_machine_cannot_be_changed_through_proc(kind: str, make: MakeInner) -> None:
    inner = make(kind)
    await inner.start()
    said = await inner.run(
        "import os\n"
        "for top, folders, files in os.walk('/proc'):\n"
        "    if top == '/proc':\n"
        "        folders[:] = [f for f in folders if not f.isdigit() and f not in "
        "('self', 'thread-self')]\n"
        "    for name in files:\n"
        "        try:\n"
        "            os.close(os.open(os.path.join(top, name), os.O_WRONLY))\n"
        "        except OSError:\n"
        "            continue\n"
        "        print(os.path.join(top, name))\n"
    )
    copies = {"/proc/mounts", "/proc/loadavg"} if kind == "sandlock" else set()
    assert set(said.split()) <= copies


async def test_multiprocessing_works(kind: str, make: MakeInner) -> None:
    inner = make(kind)
    await inner.start()
    assert (
        await inner.run(
            "import multiprocessing as mp\n"
            "queue = mp.Queue(); child = mp.Process(target=queue.put, args=(7,)); child.start()\n"
            "print(queue.get(timeout=20)); child.join()\n"
            "from joblib import Parallel, delayed\n"
            "print(Parallel(2)(delayed(abs)(-i) for i in range(3)))"
        )
        == "7\n[0, 1, 2]\n"
    )


async def test_plots_temporary_files_and_child_programs_work(kind: str, make: MakeInner) -> None:
    inner = make(kind)
    await inner.start()
    said = await inner.run(
        "import tempfile, subprocess, getpass, socket\n"
        "import matplotlib.pyplot as plt\n"
        "plt.plot([1, 2]); plt.savefig('plot.png'); plt.close()\n"
        "with tempfile.TemporaryFile() as file: file.write(b'x')\n"
        "print(subprocess.run(['sh', '-c', 'echo from a shell'], capture_output=True).stdout)\n"
        "print(bool(getpass.getuser()))"
    )
    assert said == "b'from a shell\\n'\nTrue\n"
    assert (inner.workspace.folder / "plot.png").stat().st_size > 1000


async def test_history_of_the_session_can_be_asked(kind: str, make: MakeInner) -> None:
    inner = make(kind)
    await inner.start()
    await inner.run("remembered = 1")
    assert inner.client is not None
    request = inner.client.history(hist_access_type="tail", n=5, raw=True, output=False)
    assert "remembered = 1" in [entry[2] for entry in (await inner.reply(request))["history"]]


@pytest.mark.parametrize("kind", ["none", "bubblewrap"], indirect=True)
async def test_the_debugger_answers(kind: str, make: MakeInner) -> None:
    inner = make(kind)
    await inner.start()
    assert inner.client is not None
    message = inner.client.session.msg(
        "debug_request",
        {"type": "request", "seq": 1, "command": "initialize", "arguments": {"adapterID": "test"}},
    )
    inner.client.control_channel.send(message)
    while True:
        reply = await inner.client.get_control_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            break
    assert reply["content"]["success"], json.dumps(reply["content"])


async def test_limits_of_processors_and_files_are_in_force(kind: str, make: MakeInner) -> None:
    inner = make(kind, cpus=1)
    await inner.start()
    said = await inner.run(
        "import os, resource\n"
        "print(len(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS'], "
        "resource.getrlimit(resource.RLIMIT_NOFILE)[0], resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    assert said == "1 1 4096 0\n"

"""Write the table of settings in README.md from the declarations in ``codeact_kernel.config``.

``python scripts/update_readme.py`` rewrites it; with ``--check`` it only says
whether it is current (exit code 1 if not).
"""

from __future__ import annotations

import sys
from pathlib import Path

from codeact_kernel.config import Settings

README = Path(__file__).parent.parent / "README.md"
START, END = (
    "<!-- settings: written by scripts/update_readme.py -->\n",
    "<!-- end of settings -->\n",
)


def table() -> str:
    """A row for every setting, in the order of their declaration."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    declared = [name for name in vars(Settings) if name in Settings.class_traits(config=True)]
    for name in declared:
        trait = Settings.class_traits()[name]
        value = trait.default_value
        default = (
            "" if value in ("", None) else f"`{value:g}`" if type(value) is float else f"`{value}`"
        )
        meaning = str(trait.help).replace("|", "\\|")
        rows.append(f"| `{trait.metadata['env']}` | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def updated(text: str) -> str:
    """``text`` with the table between its marks."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return before + START + table() + END + after


def main() -> int:
    text = README.read_text(encoding="utf-8")
    if updated(text) == text:
        return 0
    if "--check" in sys.argv:
        sys.stderr.write("README.md: run python scripts/update_readme.py\n")
        return 1
    README.write_text(updated(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

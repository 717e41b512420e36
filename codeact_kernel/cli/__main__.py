"""``python -m codeact_kernel.cli``: the ``codeact`` command of this very Python."""

from . import main

main(prog_name="codeact")

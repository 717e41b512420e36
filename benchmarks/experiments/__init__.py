"""One module for each experiment; importing this package registers them all, in the table's order."""

from . import execute, start, turn, tokens, memory, output, interrupt  # noqa: F401, I001  (in the table's order)

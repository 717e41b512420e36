"""The process that the sandlock library needs: it answers the confined processes' system calls.

A script of its own (``python -I -S sandlock_host.py NUMBER``): the library
runs threads in the process that uses it, and when that process dies its
charges cannot go on.  File descriptor ``NUMBER`` holds, as ``marshal``, where
the library is, its settings and the command.  The exit code is the command's,
or 128 and the signal that ended it.
"""

from __future__ import annotations

import marshal
import os
import sys
import traceback

SIGKILL = 9
PR_SET_PDEATHSIG = 1  # linux/prctl.h

FAILED = 126
"""Exit code when the library could not start the command (as a shell's)."""


def main(number: int) -> int:
    """Run the command behind sandlock's walls and return what it ended with."""
    with os.fdopen(number, "rb") as request:
        places, settings, argv = marshal.load(request)  # noqa: S302 - the front wrote it
    sys.path += places
    import ctypes

    # When the keeper is killed, nobody is left to answer to.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    from sandlock import ExitReason, Sandbox, StdioMode

    try:
        process = Sandbox(**settings).popen(argv, stdin=StdioMode.NULL)
        ended = process.wait()
    except Exception as error:  # whatever the library raises: the keeper tells the front
        print("sandlock:", *traceback.format_exception_only(error), file=sys.stderr)
        return FAILED
    if ended.reason is ExitReason.EXITED:
        return int(ended.exit_code)
    return 128 + (ended.signal if ended.signal > 0 else SIGKILL)  # -1: it cannot say


if __name__ == "__main__":
    code = main(int(sys.argv[1]))
    sys.stderr.flush()
    os._exit(code)

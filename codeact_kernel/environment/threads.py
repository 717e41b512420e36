"""What a thread of a generated step shows belongs to that step, not to whatever runs later.

ipykernel 7 finds the cell of an output in a context variable and takes the
newest cell where there is none, as in every new thread before Python 3.14
(``thread_inherit_context``).  People know that of their own threads.  But what
a step has left running would speak in another turn, to a model that takes it
for the output of its own code.  The threads of pools are left alone: they work
for whoever gives them work.

This is for order, not for safety: code can undo it.
"""

from __future__ import annotations

_SOURCE = """
import contextvars, threading
start, parent = threading.Thread.start, get_ipython().get_parent
pools = ("concurrent.futures.thread", "multiprocessing.pool")
def inherits(thread):
    try:
        module = getattr(getattr(thread, "_target", None), "__module__", None)
        return parent()["header"]["session"] == session and module not in pools
    except Exception:
        return False
def start_here(thread):
    if inherits(thread):
        run, context = thread.run, contextvars.copy_context()
        def run_here():
            del thread.run
            context.run(run)
        thread.run = run_here
    start(thread)
threading.Thread.start = start_here
"""


def inherit(session: str) -> str:
    """Python to run once in a fresh inner kernel whose steps come in ``session``.

    It leaves no names behind.
    """
    names = f"{{'get_ipython': get_ipython, 'session': {session!r}}}"
    return f"exec({_SOURCE!r}, {names})"

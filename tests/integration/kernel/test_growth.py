"""A kernel that is used all day stays as small as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import ServeScript
from tests.support.kernel_client import Kernel
from tests.support.scripted_server import ScriptedServer

MB = 1_000_000

PICTURE = "display({'text/plain': 'p', 'image/png': 'iVBORw0KGgo' + 'A' * 200_000}, raw=True)"
STEP = f"```python\nfrom IPython.display import display\nprint('x' * 20_000)\n{PICTURE}\n```"


@pytest.fixture
def server(serve: ServeScript) -> ScriptedServer:
    return serve()


@pytest.fixture
def kernel(tmp_path: Path, server: ScriptedServer) -> Iterator[Kernel]:
    settings = {"CODEACT_BASE_URL": server.base_url}
    with Kernel(tmp_path / "work", settings) as running:
        running.run("from IPython.display import display")
        yield running


class Growth:
    """How much a block of code made the front grow."""

    def __init__(self, kernel: Kernel) -> None:
        self._process = psutil.Process(kernel.pid)
        self._before = self._look()

    def _look(self) -> tuple[int, int, int]:
        process = self._process
        return process.memory_full_info().uss, process.num_fds(), process.num_threads()

    def assert_below(self, memory: float) -> None:
        uss, files, threads = self._look()
        assert uss - self._before[0] < memory
        assert files <= self._before[1] + 1
        assert threads <= self._before[2] + 2  # workers of the pool, of which there are few


def use_cells(kernel: Kernel, times: int) -> None:
    for _ in range(times):
        assert kernel.run(f"print('y' * 2_000); {PICTURE}").ok


def test_cells_leave_little_behind(kernel: Kernel) -> None:
    use_cells(kernel, 100)
    growth = Growth(kernel)
    use_cells(kernel, 1_000)
    growth.assert_below(8 * MB)


def test_large_cells_and_large_output_are_let_go(kernel: Kernel) -> None:
    def use() -> None:
        assert kernel.run("text = '" + "q" * 2 * MB + "'").ok
        assert kernel.run("print('h' * 900_000)").ok

    for _ in range(5):
        use()
    growth = Growth(kernel)
    for _ in range(25):
        use()
    growth.assert_below(20 * MB)


def test_turns_leave_little_behind(kernel: Kernel, server: ScriptedServer) -> None:
    def use(times: int) -> None:
        for _ in range(times):
            server.play(STEP, STEP, "Done.")
            assert kernel.ask("Do it " + "z" * 500).ok

    use(20)
    growth = Growth(kernel)
    use(100)
    growth.assert_below(15 * MB)


def test_replaced_environments_leave_nothing_behind(kernel: Kernel) -> None:
    def use(times: int) -> None:
        for _ in range(times):
            assert kernel.run("import os; os._exit(1)").content["ename"] == "EnvironmentLost"
            assert kernel.run("1 + 1").result == "2"

    use(3)
    growth = Growth(kernel)
    use(10)
    growth.assert_below(3 * MB)


def test_comms_that_come_and_go_leave_nothing_behind(kernel: Kernel) -> None:
    code = (
        "from comm import create_comm\nfor n in range(500):\n"
        "    one = create_comm('t'); one.send({'a': 'b' * 100}); one.close()"
    )
    kernel.run(code)
    growth = Growth(kernel)
    for _ in range(10):
        assert kernel.run(code).ok
    growth.assert_below(5 * MB)

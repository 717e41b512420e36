"""The installed ``codeact`` kernel as a client sees it: started by Jupyter, asked over ZMQ, ended.

::

    with Kernel(folder, {"CODEACT_BASE_URL": server.base_url}) as kernel:
        assert kernel.run("6 * 7").result == "42"

Leaving the block shuts the kernel down as a front-end would, and fails if a
process or a file of its own is left, if it did not end by itself, or if
anything that looks like a traceback is on its standard error.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from codeact_kernel.replay.expand import TURN_MIME, mark_of

PATIENCE = 60.0
"""Seconds after which something that must happen will not."""

Json = dict[str, Any]


def clean_environ(home: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without the machine's settings; Jupyter's folders below ``home``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CODEACT_", "OPENAI_", "JPY_", "JUPYTER_"))
    }
    places = {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    return kept | places | {"CODEACT_MODEL": "scripted"} | dict(settings or {})


@dataclass(frozen=True)
class Result:
    """What came of one request: its reply, and all that was published for it, in order."""

    content: Json
    messages: list[Json]
    metadata: Json = field(default_factory=dict)

    def of(self, *kinds: str) -> list[Json]:
        """The contents of the messages of these kinds."""
        return [message["content"] for message in self.messages if message["msg_type"] in kinds]

    @property
    def outputs(self) -> list[Json]:
        """The outputs as a front-end keeps them: cleared and updated, neighbouring streams joined."""
        shown: list[Json] = []
        clear = False
        for message in self.messages:
            kind, content = message["msg_type"], message["content"]
            if kind == "clear_output":
                clear = content["wait"]
                if not clear:
                    shown.clear()
            elif kind == "update_display_data":
                _update(shown, content)
            elif kind in ("stream", "display_data", "execute_result", "error"):
                if clear:
                    shown.clear()
                    clear = False
                _append(shown, {"output_type": kind, **content})
        return shown

    @property
    def stdout(self) -> str:
        return printed(self.outputs, "stdout")

    @property
    def stderr(self) -> str:
        return printed(self.outputs, "stderr")

    @property
    def result(self) -> str | None:
        """The value of the last expression, as text."""
        found = self.of("execute_result")
        return found[0]["data"]["text/plain"] if found else None

    @property
    def ok(self) -> bool:
        return bool(self.content["status"] == "ok")

    @property
    def error(self) -> str:
        """``Name: value`` of the error in the reply, or nothing."""
        return (
            f"{self.content['ename']}: {self.content['evalue']}" if "ename" in self.content else ""
        )

    @property
    def turn(self) -> Json:
        """The turn as data."""
        return turn_in(self.outputs)


def turn_in(outputs: list[Any]) -> Json:
    """The one turn that the outputs of a prompt cell carry as data."""
    (found,) = (o["data"][TURN_MIME] for o in outputs if TURN_MIME in o.get("data", {}))
    return dict(found)


def printed(outputs: list[Any], name: str) -> str:
    """All text of one stream in ``outputs``."""
    return "".join(output["text"] for output in outputs if output.get("name") == name)


def parts(outputs: list[Any]) -> list[str]:
    """The marked parts of a turn, in order; anything between them is ``output``."""
    found: list[str] = []
    for output in outputs:
        part = mark_of(output).get("part", "output")
        if (part, found[-1:]) != ("output", ["output"]):
            found.append(part)
    return found


def by_step(outputs: list[Any]) -> dict[int, list[Any]]:
    """What each step of a turn showed."""
    steps: dict[int, list[Any]] = {}
    current: list[Any] = []
    for output in outputs:
        mark = mark_of(output)
        if mark.get("part") == "code":
            current = steps.setdefault(mark["step"], [])
        elif mark:
            current = []
        else:
            current.append(output)
    return steps


def _update(shown: list[Json], content: Json) -> None:
    name = content["transient"]["display_id"]
    for output in shown:
        if output.get("transient", {}).get("display_id") == name:
            output |= {"data": content["data"], "metadata": content["metadata"]}


def _append(shown: list[Json], output: Json) -> None:
    last = shown[-1] if shown else {}
    if output["output_type"] == "stream" and last.get("name") == output["name"]:
        shown[-1] = {**last, "text": last["text"] + output["text"]}
    else:
        shown.append(output)


class Kernel:
    """One running kernel in ``folder``, with ``settings`` added to a clean environment.

    ``through`` is a command that executes the one it is given, as ``env`` does.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        *,
        through: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        # Short, for the paths of sockets, and unique: whatever names it is of this kernel.
        self.home = Path(tempfile.mkdtemp(prefix="ck-"))
        self.runtime = self.home / "t"
        self.runtime.mkdir()
        self.environ = clean_environ(self.home, settings) | {"TMPDIR": str(self.runtime)}
        self._said = (self.home / "said").open("w+b")
        self._replies: dict[str, Json] = {}
        self._published: dict[str, list[Json]] = defaultdict(list)
        self.manager = KernelManager(
            kernel_name="codeact",
            connection_file=str(self.home / "kernel.json"),
            # Ports are chosen before they are bound, so two kernels may choose the same.
            transport="ipc",
            ip=str(self.home / "s"),
        )
        spec = self.manager.kernel_spec
        assert spec is not None
        if through:  # Jupyter puts its own interpreter in the place of a first word "python" only
            spec.argv = [*through, sys.executable, *spec.argv[1:]]

    def __enter__(self) -> Kernel:
        self.start()
        try:
            self.client.wait_for_ready(timeout=PATIENCE)
        except BaseException as error:
            error.add_note(f"The kernel said: {self.said}")
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def start(self) -> None:
        """Start the process and open the client's channels, without waiting."""
        self.manager.start_kernel(
            cwd=str(self.folder), env=self.environ, stdout=self._said, stderr=self._said
        )
        client = self.manager.client()
        assert isinstance(client, BlockingKernelClient)
        self.client = client
        client.start_channels()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            left = self.stop()
        finally:
            shutil.rmtree(self.home, ignore_errors=True)
        if error is None:
            assert left == [], "the kernel left something behind"

    def refusal(self) -> tuple[int, str]:
        """Start a kernel that must end at once; its exit code, and what it said."""
        self.start()
        try:
            code = self.exit_code()
            said = self.said
        finally:
            left = self.stop()
            shutil.rmtree(self.home, ignore_errors=True)
        assert left == [f"exit code {code}"]
        return code, said

    # --- asking ------------------------------------------------------------------

    def run(self, code: str, **options: Any) -> Result:
        """Run a cell and return when all that it published is here.  Options: see ``send``."""
        return self.wait(self.send(code, **options))

    def ask(self, prompt: str, **options: Any) -> Result:
        """Run a cell that is marked as a prompt."""
        mark = {"codeact": {"v": 1, "kind": "prompt"}}
        return self.run(prompt, metadata=mark, **options)

    def send(self, code: str, *, metadata: Json | None = None, **content: Any) -> str:
        """Send an ``execute_request``; returns its id."""
        request = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        return self.request("execute_request", request | content, metadata=metadata)

    def request(
        self, kind: str, content: Json, *, channel: str = "shell", metadata: Json | None = None
    ) -> str:
        """Send any request; returns its id."""
        message = self.client.session.msg(kind, content, metadata=metadata)
        getattr(self.client, f"{channel}_channel").send(message)
        return str(message["header"]["msg_id"])

    def wait(self, request: str) -> Result:
        """The outcome of ``request``, however many came between."""
        reply = self.reply(request)
        while not _is_idle(self._published[request]):
            self._read_iopub()
        return Result(reply["content"], self._published.pop(request), reply["metadata"])

    def reply(self, request: str, channel: str = "shell") -> Json:
        """The reply to ``request``."""
        read = getattr(self.client, f"get_{channel}_msg")
        while request not in self._replies:
            message = read(timeout=PATIENCE)
            self._replies[message["parent_header"]["msg_id"]] = message
        return self._replies.pop(request)

    def until(self, request: str, kind: str, text: str = "") -> Json:
        """The first message of ``kind`` published for ``request`` that has ``text`` in its content."""
        seen = 0
        while True:
            for message in self._published[request][seen:]:
                seen += 1
                if message["msg_type"] == kind and text in str(message["content"]):
                    return message
            self._read_iopub()

    def _read_iopub(self) -> None:
        message = self.client.get_iopub_msg(timeout=PATIENCE)
        self._published[message["parent_header"].get("msg_id", "")].append(message)

    # --- the process -----------------------------------------------------------------

    @property
    def pid(self) -> int:
        provisioner = self.manager.provisioner
        assert provisioner is not None
        return int(provisioner.pid)  # type: ignore[attr-defined]

    @property
    def said(self) -> str:
        """All that the process wrote to its standard output and error."""
        self._said.seek(0)
        return self._said.read().decode(errors="replace")

    def exit_code(self) -> int:
        """Wait for the process to end by itself."""
        provisioner = self.manager.provisioner
        assert provisioner is not None
        return int(provisioner.process.wait(PATIENCE))  # type: ignore[attr-defined]

    def processes(self) -> list[psutil.Process]:
        """The kernel's process and all that descend from it, and all that name its folder."""
        found = []
        if psutil.pid_exists(self.pid):
            front = psutil.Process(self.pid)
            found = [front, *front.children(recursive=True)]
        return [*found, *(one for one in _naming(str(self.home)) if one not in found)]

    def stop(self) -> list[str]:
        """Shut down and clean up; returns what was wrong with the way it ended."""
        before = self.processes()
        self.client.shutdown()
        wrong = []
        try:
            code = self.exit_code()
            if code:
                wrong.append(f"exit code {code}")
        except TimeoutError as error:
            wrong.append(f"it did not end: {error}")
        except Exception as error:  # subprocess.TimeoutExpired is no TimeoutError
            wrong.append(f"it did not end: {error}")
        psutil.wait_procs(before, timeout=5)
        wrong += [f"process: {one}" for one in {*before, *self.processes()} if one.is_running()]
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        wrong += [f"file: {path.name}" for path in self.runtime.iterdir()]
        if "Traceback" in self.said:
            wrong.append(self.said)
        self._said.close()
        return wrong


def _is_idle(messages: list[Json]) -> bool:
    return any(m["content"].get("execution_state") == "idle" for m in messages[-1:])


def _naming(text: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if any(text in word for word in process.cmdline()):
                yield process
        except psutil.Error:
            continue

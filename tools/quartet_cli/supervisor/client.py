"""The command's side: finds, starts, asks and, when it must, ends the supervisor of a state folder."""

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from quartet_cli.supervisor.output import open_log, rotate, tail
from quartet_cli.supervisor.processes import Identity
from quartet_cli.supervisor.protocol import SILENCE_SECONDS, Message, connect, encode
from quartet_cli.supervisor.records import end_left_over, left_over, read_json
from quartet_cli.supervisor.resident import IDENTITY, RUNS_ALREADY

START_SECONDS = 30.0
END_SECONDS = 5.0
OF_ANOTHER = "the stack belongs to another user"
WENT_AWAY = "the supervisor went away; ./quartet up starts a new one"

Tell = Callable[[Message], None]


def tell_nobody(_: Message) -> None:
    return


class SupervisorError(Exception):
    """What is wrong and what to do, for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Supervised:
    """A state folder with, or without, a supervisor."""

    state: Path
    silence_seconds: float = SILENCE_SECONDS

    def is_running(self) -> bool:
        try:
            found = connect(self.state, timeout_seconds=self.silence_seconds)
        except PermissionError:
            raise SupervisorError(OF_ANOTHER) from None
        if found is None:
            return False
        found.close()
        return True

    def start(self, factory: str, argument: str, *, tell: Tell = tell_nobody) -> bool:
        """A supervisor answers when this returns; True when it was started here and had not run before."""
        self.state.mkdir(parents=True, exist_ok=True)
        if self.is_running():
            return False
        if self._supervisor() is None:
            end_left_over(self.state, tell=lambda name: tell(_stopping(name)))
        pid = self._launch(factory, argument)
        try:
            code = self._wait_for_answer(pid)
        except BaseException:
            # Nobody has asked it for anything yet: no part runs.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        if code not in {None, RUNS_ALREADY}:
            raise SupervisorError("\n".join(["the supervisor ended at once:", *tail(self.log, 10)]))
        return code is None

    def _wait_for_answer(self, pid: int) -> int | None:
        """The exit code, if it has ended: with `RUNS_ALREADY` another one answers."""
        deadline = time.monotonic() + START_SECONDS
        code: int | None = None
        while not self.is_running():
            code = _exit_code(pid) if code is None else code
            if code not in {None, RUNS_ALREADY}:
                return code
            if time.monotonic() > deadline:
                raise SupervisorError(f"no answer from the supervisor for {START_SECONDS:g} s: {self.log}")
            time.sleep(0.02)
        return _exit_code(pid) if code is None else code

    @property
    def log(self) -> Path:
        return self.state / "supervisor.log"

    def _launch(self, factory: str, argument: str) -> int:
        """In a session of its own, held by nobody: it outlives this command and its terminal."""
        rotate(self.log)
        log = open_log(self.log)
        module = "quartet_cli.supervisor.resident"
        try:
            return os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", module, str(self.state), factory, argument],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
            )
        finally:
            os.close(log)

    def ask(self, request: Message, *, tell: Tell = tell_nobody) -> Message:
        """The result; progress goes to `tell`. Never waits for a supervisor that has fallen silent."""
        try:
            connection = connect(self.state, timeout_seconds=self.silence_seconds)
            if connection is None:
                raise SupervisorError("nothing runs here: ./quartet up")
            with connection:
                return _converse(connection, request, tell)
        except TimeoutError:
            raise SupervisorError(
                f"the supervisor said nothing for {self.silence_seconds:g} s; ./quartet down ends it"
            ) from None
        except PermissionError:
            raise SupervisorError(OF_ANOTHER) from None
        except ConnectionError:
            raise SupervisorError(WENT_AWAY) from None

    def down(self, *, tell: Tell = tell_nobody) -> bool:
        """Nothing of the stack runs when this returns; False when nothing ran before either."""
        supervisor = self._supervisor()
        if supervisor is not None:
            with contextlib.suppress(SupervisorError, ConnectionError):
                self.ask({"verb": "down"}, tell=tell)
            _end(supervisor)
        left = end_left_over(self.state, tell=lambda name: tell(_stopping(name)))
        return supervisor is not None or bool(left)

    def _supervisor(self) -> Identity | None:
        """The one that runs, whether it answers or not."""
        found = read_json(self.state / IDENTITY)
        identity = Identity.from_json(cast("dict[str, Any]", found)) if found else None
        return identity if identity is not None and identity.is_alive() else None

    def left_over(self) -> list[str]:
        """Parts that a killed supervisor left running."""
        return [record.name for record in left_over(self.state)]


def _converse(connection: socket.socket, request: Message, tell: Tell) -> Message:
    connection.sendall(encode(request))
    with connection.makefile("rb") as lines:
        for line in lines:
            message = cast("Message", json.loads(line))
            if message["event"] == "result":
                return message
            tell(message)
    raise SupervisorError(WENT_AWAY)


def _end(supervisor: Identity) -> None:
    """It ends by itself after its last answer; one that hangs is killed, its parts end by their records."""
    deadline = time.monotonic() + END_SECONDS
    while supervisor.is_alive():
        if time.monotonic() > deadline:
            supervisor.send(signal.SIGKILL)
            deadline = time.monotonic() + END_SECONDS
        time.sleep(0.02)
    # Only if this very process has started it: otherwise it is somebody else's to reap.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(supervisor.pid, os.WNOHANG)


def _exit_code(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _stopping(name: str) -> Message:
    return {"event": "part", "name": name, "state": "stopping", "seconds": 0.0, "reason": ""}


def failures(outcome: Message) -> Sequence[str]:
    return cast("list[str]", outcome.get("missing") or [])

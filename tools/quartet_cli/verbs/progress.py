"""What is going on while a command works: a live line for each part under way, plain lines elsewhere."""

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from quartet_cli.supervisor.protocol import Message

ENDS = {"ready", "done", "failed", "restarting", "stopped"}
BAD = {"failed", "restarting"}
SILENCE_SECONDS = 15.0


class Progress:
    """Times are those since the command began."""

    def __init__(self, console: Console | None = None) -> None:
        # Standard output is for results, which somebody may read by program.
        self._console = console or Console(stderr=True, highlight=False)
        self._started = self._said = time.monotonic()
        self._under_way: dict[str, tuple[str, float]] = {}
        # suites run side by side: what one of them wrote stays in one piece
        self._turn = threading.RLock()
        self._live = Live(
            get_renderable=self._lines, console=self._console, refresh_per_second=8, transient=True
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        with self._turn:
            self._said = time.monotonic()
            self._console.print(f"{self.seconds:6.1f} s  {escape(text)}", soft_wrap=True)

    def begin(self, name: str, what: str) -> None:
        self._under_way[name] = (what, time.monotonic())

    def change(self, name: str, what: str) -> None:
        """Goes on, but with something else."""
        before = self._under_way.get(name)
        if before is not None:
            self._under_way[name] = (what, before[1])

    def under_way(self, name: str) -> str:
        return self._under_way.get(name, ("", 0.0))[0]

    @property
    def is_live(self) -> bool:
        return self._console.is_terminal

    def end(self, name: str, what: str, *, reason: str = "") -> None:
        self._under_way.pop(name, None)
        with self._turn:
            self.say(f"{name} {what}")
            for line in reason.splitlines():
                self._console.print(f"          {escape(line)}", soft_wrap=True)

    def tell(self, message: Message) -> None:
        """An event of the supervisor; what had happened before the request is not told again."""
        if message["event"] != "part":
            self._remind()
            return
        name, state = str(message["name"]), str(message["state"])
        if state not in ENDS:
            self.begin(name, state)
        elif not self._is_old_news(message):
            self.end(name, state, reason=str(message["reason"]) if state in BAD else "")

    def _remind(self) -> None:
        """Where no line is live, a long silence is broken by what it is about."""
        busy = [name for name, (what, _) in self._under_way.copy().items() if what != "waiting"]
        if busy and not self.is_live and time.monotonic() - self._said > SILENCE_SECONDS:
            self.say(f"… {', '.join(busy)}")

    def _is_old_news(self, message: Message) -> bool:
        if message["state"] == "stopped":
            return message["name"] not in self._under_way
        return bool(message.get("past")) and message["state"] not in BAD

    def _lines(self) -> Group:
        now = time.monotonic()
        return Group(
            *(
                Text(f"{now - since:6.1f} s  {name} {what}", no_wrap=True, overflow="ellipsis", style="dim")
                for name, (what, since) in self._under_way.copy().items()
                if what != "waiting"
            )
        )

"""What the supervisor is told about one thing of the stack; it knows nothing else about it.

A stack is a list of parts: `quartet_cli.stack.parts.build_parts(stack: Stack) -> tuple[Part, ...]`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A server, a service's process, or work that is done once before the parts that need it."""

    name: str
    log: Path
    """Output of the process; the supervisor opens it with mode 0600 and rotates it."""
    command: tuple[str, ...] = ()
    """Program and arguments; empty only for a one-shot whose whole work is `prepare`."""
    needs: tuple[str, ...] = ()
    """Parts that must be ready (one-shots: done) before this one starts; they are stopped after it."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Added to PATH, HOME, LANG and TZ of the supervisor; nothing else is inherited."""
    cwd: Path | None = None
    user: str | None = None
    """Who it runs as when the supervisor is root; ignored otherwise."""
    prepare: Callable[[], Awaitable[None]] | None = None
    """Runs before every start and must be repeatable: configuration files, data folders, roles."""
    ready: Callable[[], Awaitable[bool]] | None = None
    """A real question in the part's protocol; False or any exception means not yet."""
    ready_seconds: float = 60.0
    stop_signal: Signals = SIGTERM
    stop_seconds: float = 10.0
    """How long it may take to end after `stop_signal`; SIGKILL to its process group follows."""
    longest_pause_seconds: float = 30.0
    """How long the pause before another start becomes when one start after another came to nothing."""
    one_shot: bool = False
    fingerprint: Callable[[], str] | None = None
    """Of everything it is made from (code, migrations, topics). A one-shot is skipped while it equals that of
    its last success, a running process is restarted by `up` when it differs; None: a one-shot always runs."""
    ports: tuple[int, ...] = ()
    """On 127.0.0.1; must be free before it starts."""
    url: str | None = None
    probe_url: str | None = None

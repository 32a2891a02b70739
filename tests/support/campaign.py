"""Random kills under load, drawn from a seed: what is hit, how, and how long until the next."""

import os
import random
import secrets
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from quartet_cli.supervisor.processes import Identity
from tests.support.parts import SERVERS, WORKERS, Parts
from tests.support.traffic import Registrations
from tests.support.waiting import eventually

SHORT_KILLS = 30
LONG_KILLS = 300
BACKEND = "a backend of postgres"
VICTIMS = (*WORKERS, *SERVERS, BACKEND)
PAUSED_OF_TEN = 3


def chosen_seed() -> int:
    """Of `./quartet test --seed`; else a new one, which the run prints."""
    told = os.environ.get("QUARTET_TEST_SEED")
    return int(told) if told else secrets.randbelow(1_000_000)


@dataclass(frozen=True)
class Length:
    kills: int
    minutes: float

    @classmethod
    def chosen(cls) -> "Length":
        """Of `./quartet test`, `--long` or `--minutes`: so many kills, and at least so long."""
        long = bool(os.environ.get("QUARTET_TEST_LONG"))
        minutes = float(os.environ.get("QUARTET_TEST_MINUTES") or 0)
        return cls(LONG_KILLS if long else SHORT_KILLS, minutes)


@dataclass
class Campaign:
    parts: Parts
    load: Registrations
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    pauses: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    async def run(self, length: Length) -> None:
        """The next blow falls when some more requests were answered, whatever is still lying down by then."""
        dice = random.Random(self.seed)
        began = time.monotonic()
        until = began + 60 * length.minutes
        while self.kills.total() < length.kills or time.monotonic() < until:
            await self.load.more(dice.randint(1, 6))
            victim, paused = dice.choice(VICTIMS), dice.randrange(10) < PAUSED_OF_TEN
            requests = dice.randint(3, 20)
            if victim == BACKEND:
                await self._kill_backend(dice)
                continue
            await eventually(lambda victim=victim: victim in self.parts.running(), within=60)
            identity = self.parts.running().get(victim)
            if identity is None:  # it ended by itself in this moment: another draw
                continue
            if paused:
                await self._pause(identity, requests)
                self.pauses[victim] += 1
            identity.send(signal.SIGKILL)
            self.kills[victim] += 1
        self.seconds = time.monotonic() - began

    async def _pause(self, victim: Identity, requests: int) -> None:
        """Stands still for some requests and goes on, with all that it believed before; then it is killed."""
        victim.send(signal.SIGSTOP)
        try:
            await self.load.more(requests)
        finally:
            victim.send(signal.SIGCONT)
        await self.load.more(2)

    async def _kill_backend(self, dice: random.Random) -> None:
        backends = await eventually(self.parts.backends, within=60)
        dice.choice(backends).send(signal.SIGKILL)
        self.kills[BACKEND] += 1

    def told(self) -> str:
        hit = ", ".join(f"{number} × {name}" for name, number in sorted(self.kills.items()))
        return (
            f"seed {self.seed}: {self.kills.total()} kills in {self.seconds:.0f} s ({hit}), "
            f"{self.pauses.total()} of them after a pause"
        )

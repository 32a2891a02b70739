from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Sender:
    name: str
    """What the installation calls itself; mails speak in this name."""
    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


@dataclass(frozen=True)
class MailServer:
    host: str
    port: int
    tls: Literal["starttls", "implicit", "none"]
    greeting: str
    """What this end calls itself."""
    timeout_seconds: float
    """For all of one mail."""
    ca_file: Path | None = None
    user: str | None = None
    password: str | None = None

"""Which jars a broker is made of, by the lock, and where they lie."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from quartet_cli.stack.description import Stack

HERE = Path(__file__).parent / "kafka_files"
LOCK = HERE / "jars.lock"


@dataclass(frozen=True, slots=True)
class Jar:
    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def file_name(self) -> str:
        return f"{self.group}.{self.artifact}-{self.version}.jar"


def locked_jars() -> tuple[Jar, ...]:
    return tuple(Jar(*line.split()) for line in LOCK.read_text().splitlines())


def jars_folder(stack: Stack) -> Path:
    """Another lock means another folder: jars of different versions never meet on one classpath."""
    return stack.cache / f"kafka-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"


def classpath(stack: Stack) -> str:
    """In the lock's order: an archive of classes is valid for one classpath only."""
    folder = jars_folder(stack)
    return ":".join(str(folder / jar.file_name) for jar in locked_jars())

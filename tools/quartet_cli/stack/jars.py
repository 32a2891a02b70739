"""Which jars a server is made of, by its lock, and where they lie."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Jar:
    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def file_name(self) -> str:
        return f"{self.group}.{self.artifact}-{self.version}.jar"


@dataclass(frozen=True, slots=True)
class JarSet:
    name: str
    files: Path
    """The folder with `pom.xml`, which says what is wanted, and `jars.lock`, to what that resolves."""

    @property
    def pom(self) -> Path:
        return self.files / "pom.xml"

    @property
    def lock(self) -> Path:
        return self.files / "jars.lock"

    def locked(self) -> tuple[Jar, ...]:
        return tuple(Jar(*line.split()) for line in self.lock.read_text().splitlines())

    def folder(self, cache: Path) -> Path:
        """Another lock means another folder: jars of different versions never meet on one classpath."""
        return cache / f"{self.name}-{hashlib.sha256(self.lock.read_bytes()).hexdigest()[:12]}"

    def classpath(self, cache: Path) -> str:
        """In the lock's order: an archive of classes is valid for one classpath only."""
        return ":".join(str(self.folder(cache) / jar.file_name) for jar in self.locked())


KAFKA = JarSet("kafka", Path(__file__).parent / "kafka_files")

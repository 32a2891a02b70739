from pathlib import Path

import pytest

from quartet_cli.stack import Stack, kafka_jars
from quartet_cli.stack.jars import HERE, Jar, classpath, locked_jars
from quartet_cli.stack.kafka_jars import WrongJarError, check_jars

EMPTY = Jar("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "org.example", "empty", "1.0")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(kafka_jars, "locked_jars", lambda: (EMPTY,))
    (tmp_path / EMPTY.file_name).touch()
    return tmp_path


class TestLock:
    def test_pins_the_broker_of_the_pom(self):
        versions = {(jar.group, jar.artifact): jar.version for jar in locked_jars()}

        assert versions["org.apache.kafka", "kafka_2.13"] == "4.3.1"
        assert "<version>4.3.1</version>" in (HERE / "pom.xml").read_text()

    def test_gives_the_classpath_its_order(self, stack: Stack):
        names = [Path(entry).name for entry in classpath(stack).split(":")]

        assert names == [jar.file_name for jar in locked_jars()]


class TestJars:
    def test_are_used_when_they_are_those_of_the_lock(self, folder: Path):
        check_jars(folder)

    def test_are_refused_when_one_differs_by_a_byte(self, folder: Path):
        (folder / EMPTY.file_name).write_bytes(b"x")

        with pytest.raises(WrongJarError, match="empty-1"):
            check_jars(folder)

    def test_are_refused_when_one_is_missing(self, folder: Path):
        (folder / EMPTY.file_name).unlink()

        with pytest.raises(WrongJarError, match="empty-1"):
            check_jars(folder)

    def test_are_refused_when_there_is_one_more(self, folder: Path):
        (folder / "more.jar").touch()

        with pytest.raises(WrongJarError, match=r"more\.jar"):
            check_jars(folder)

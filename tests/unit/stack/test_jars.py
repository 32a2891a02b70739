from pathlib import Path

import pytest

from quartet_cli.stack import Stack
from quartet_cli.stack.jars import KAFKA, Jar, JarSet
from quartet_cli.stack.kafka_jars import WrongJarError, check_jars
from tests.support.own_s3 import S3PROXY

EMPTY = Jar("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "org.example", "empty", "1.0")


@pytest.fixture
def jars(tmp_path: Path) -> JarSet:
    jars = JarSet("one", tmp_path)
    jars.lock.write_text(f"{EMPTY.sha256} {EMPTY.group} {EMPTY.artifact} {EMPTY.version}\n")
    return jars


@pytest.fixture
def folder(jars: JarSet) -> Path:
    folder = jars.folder(jars.files)
    folder.mkdir()
    (folder / EMPTY.file_name).touch()
    return folder


class TestLock:
    @pytest.mark.parametrize(
        ("jars", "group", "artifact", "version"),
        [
            (KAFKA, "org.apache.kafka", "kafka_2.13", "4.3.1"),
            (S3PROXY, "org.gaul", "s3proxy", "4.1.1"),
        ],
        ids=["kafka", "s3proxy"],
    )
    def test_pins_the_server_of_the_pom(self, jars: JarSet, group: str, artifact: str, version: str):
        versions = {(jar.group, jar.artifact): jar.version for jar in jars.locked()}

        assert versions[group, artifact] == version
        assert f"<version>{version}</version>" in jars.pom.read_text()

    def test_gives_the_classpath_its_order(self, stack: Stack):
        names = [Path(entry).name for entry in KAFKA.classpath(stack.cache).split(":")]

        assert names == [jar.file_name for jar in KAFKA.locked()]


class TestJars:
    def test_are_used_when_they_are_those_of_the_lock(self, jars: JarSet, folder: Path):
        check_jars(jars, folder)

    def test_are_refused_when_one_differs_by_a_byte(self, jars: JarSet, folder: Path):
        (folder / EMPTY.file_name).write_bytes(b"x")

        with pytest.raises(WrongJarError, match="empty-1"):
            check_jars(jars, folder)

    def test_are_refused_when_one_is_missing(self, jars: JarSet, folder: Path):
        (folder / EMPTY.file_name).unlink()

        with pytest.raises(WrongJarError, match="empty-1"):
            check_jars(jars, folder)

    def test_are_refused_when_there_is_one_more(self, jars: JarSet, folder: Path):
        (folder / "more.jar").touch()

        with pytest.raises(WrongJarError, match=r"more\.jar"):
            check_jars(jars, folder)

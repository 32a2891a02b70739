import os
from pathlib import Path

from quartet_cli.supervisor.output import append, limit, open_log, rotate, tail
from quartet_cli.verbs.following import Follower, last_lines


class TestLog:
    def test_begins_anew_at_a_start_and_keeps_a_few_old_ones(self, tmp_path: Path):
        log = tmp_path / "api.log"
        for number in range(6):
            rotate(log)
            append(log, f"start {number}\n")

        kept = {path.name: path.read_text() for path in tmp_path.iterdir()}

        assert kept == {
            "api.log": "start 5\n",
            "api.log.1": "start 4\n",
            "api.log.2": "start 3\n",
            "api.log.3": "start 2\n",
        }

    def test_is_emptied_at_its_limit_while_a_process_writes_on(self, tmp_path: Path):
        log = tmp_path / "api.log"
        with os.fdopen(open_log(log), "w") as writer:
            writer.write("before\n" * 10)
            writer.flush()

            limit(log, limit_bytes=20)
            writer.write("after\n")

        assert log.read_text() == "after\n"
        assert (tmp_path / "api.log.1").read_text() == "before\n" * 10

    def test_within_its_limit_stays(self, tmp_path: Path):
        log = tmp_path / "api.log"
        append(log, "few\n")

        limit(log, limit_bytes=20)

        assert [path.name for path in tmp_path.iterdir()] == ["api.log"]

    def test_is_private_with_its_old_ones(self, tmp_path: Path):
        log = tmp_path / "api.log"
        append(log, "a password\n")
        limit(log, limit_bytes=1)

        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}

    def test_is_read_from_its_end_and_from_where_a_life_began(self, tmp_path: Path):
        log = tmp_path / "api.log"
        append(log, "old\n" * 100_000)
        start = log.stat().st_size
        append(log, "new\nnewer\n")

        assert tail(log, 3) == ["old", "new", "newer"]
        assert tail(log, 3, start=start) == ["new", "newer"]
        assert tail(tmp_path / "nowhere.log", 3) == []

    def test_shows_as_many_lines_as_asked_however_long_they_are(self, tmp_path: Path):
        log = tmp_path / "api.log"
        append(log, "".join(f"{number:0100}\n" for number in range(1000)))

        told = list(last_lines({"api": log}, 700))

        assert [int(line) for line in told] == list(range(300, 1000))


class TestFollower:
    def test_reads_whole_lines_as_they_come(self, tmp_path: Path):
        log = tmp_path / "api.log"
        append(log, "before\n")
        follower = Follower(log)

        append(log, "one\ntw")
        first = follower.read()
        append(log, "o\n")

        assert (first, follower.read(), follower.read()) == (["one"], ["two"], [])

    def test_goes_on_with_the_file_that_takes_the_place_of_a_rotated_one(self, tmp_path: Path):
        log = tmp_path / "api.log"
        append(log, "before\n")
        follower = Follower(log)

        rotate(log)
        nothing = follower.read()
        append(log, "after\n")

        assert (nothing, follower.read()) == ([], ["after"])

    def test_goes_on_after_the_file_was_emptied(self, tmp_path: Path):
        log = tmp_path / "api.log"
        append(log, "a long line from before\n")
        follower = Follower(log)

        limit(log, limit_bytes=1)
        append(log, "after\n")

        assert follower.read() == ["after"]


class TestLastLines:
    def test_of_several_parts_tell_whose_they_are(self, tmp_path: Path):
        for name in ("auth-api", "kafka"):
            append(tmp_path / name, "first\nsecond\n")

        told = last_lines({name: tmp_path / name for name in ("auth-api", "kafka")}, 1)

        assert list(told) == ["auth-api           second", "kafka              second"]

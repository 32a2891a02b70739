import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from quartet_cli.stack.part import Part
from quartet_cli.supervisor.keeper import BackOff
from quartet_cli.supervisor.supervisor import RefusedError, Supervisor
from tests.support.waiting import eventually
from tests.unit.tools.tiny_parts import NOTES_ITS_LIFE, WAITS, just_runs, notes, part

ENDS_AT_ONCE = "import sys; print('the disk is full', flush=True); sys.exit(3)"


class Quick(BackOff):
    first_seconds = 0.01
    longest_seconds = 0.05


@contextlib.asynccontextmanager
async def supervised(*parts: Part, state: Path) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(parts, state, back_off=Quick())
    try:
        yield supervisor
    finally:
        await supervisor.down()


def pid_of(supervisor: Supervisor, name: str) -> int:
    child = supervisor.keepers[name].child
    assert child is not None
    return child.identity.pid


async def state_of(supervisor: Supervisor, name: str) -> dict[str, object]:
    return next(one for one in await supervisor.status() if one["name"] == name)


class TestOrder:
    async def test_starts_a_part_after_those_that_it_needs_and_stops_it_before(self, tmp_path: Path):
        parts = (
            part("gateway", tmp_path, needs=("api",)),
            part("api", tmp_path, needs=("database",)),
            part("database", tmp_path),
        )

        async with supervised(*parts, state=tmp_path) as supervisor:
            assert await supervisor.up() == []

        assert notes(tmp_path) == [
            *("started database", "started api", "started gateway"),
            *("stopped gateway", "stopped api", "stopped database"),
        ]

    def test_refuses_a_circle(self, tmp_path: Path):
        parts = (part("hen", tmp_path, needs=("egg",)), part("egg", tmp_path, needs=("hen",)))

        with pytest.raises(ValueError, match="hen -> egg -> hen"):
            Supervisor(parts, tmp_path)

    def test_refuses_a_need_that_is_no_part(self, tmp_path: Path):
        with pytest.raises(ValueError, match="api needs database"):
            Supervisor((part("api", tmp_path, needs=("database",)),), tmp_path)


class TestUp:
    async def test_again_leaves_everything_as_it_is(self, tmp_path: Path):
        async with supervised(part("api", tmp_path), state=tmp_path) as supervisor:
            await supervisor.up()
            before = pid_of(supervisor, "api")

            assert await supervisor.up() == []

            assert pid_of(supervisor, "api") == before

    async def test_at_the_same_time_starts_everything_once(self, tmp_path: Path):
        async with supervised(part("api", tmp_path), state=tmp_path) as supervisor:
            assert await asyncio.gather(supervisor.up(), supervisor.up()) == [[], []]

        assert notes(tmp_path).count("started api") == 1

    async def test_at_the_same_time_leaves_alone_what_waits_or_comes_up(self, tmp_path: Path):
        parts = (
            part("api", tmp_path, needs=("database",), fingerprint=lambda: "same"),
            part("database", tmp_path, fingerprint=lambda: "same"),
        )
        async with supervised(*parts, state=tmp_path) as supervisor:
            first = asyncio.create_task(supervisor.up())
            await eventually(lambda: supervisor.keepers["database"].child is not None)

            assert await asyncio.gather(first, supervisor.up()) == [[], []]

        assert notes(tmp_path) == [
            *("started database", "started api"),
            *("stopped api", "stopped database"),
        ]

    async def test_restarts_only_what_is_made_from_something_else_now(self, tmp_path: Path):
        code = ["old"]
        parts = (part("database", tmp_path), part("api", tmp_path, fingerprint=lambda: code[0]))
        async with supervised(*parts, state=tmp_path) as supervisor:
            await supervisor.up()
            before = {name: pid_of(supervisor, name) for name in ("database", "api")}

            code[0] = "new"
            await supervisor.up()

            assert pid_of(supervisor, "database") == before["database"]
            assert pid_of(supervisor, "api") != before["api"]

    async def test_starts_again_what_had_failed(self, tmp_path: Path):
        cure = tmp_path / "cure"
        code = f"import os, sys; os.path.exists({str(cure)!r}) or sys.exit(3)\n{NOTES_ITS_LIFE}"
        async with supervised(part("api", tmp_path, code), state=tmp_path) as supervisor:
            assert await supervisor.up() == ["api"]

            cure.touch()

            assert await supervisor.up() == []

    async def test_ends_when_the_stack_is_taken_down_meanwhile(self, tmp_path: Path):
        never = part("api", tmp_path, "import signal; signal.pause()")
        async with supervised(never, state=tmp_path) as supervisor:
            coming = asyncio.create_task(supervisor.up())
            await eventually(lambda: supervisor.keepers["api"].child is not None)

            await supervisor.down()

            assert await coming == ["api"]
            assert supervisor.keepers["api"].child is None


class TestFailure:
    async def test_of_a_first_start_ends_after_a_few_tries_and_tells_the_last_lines(self, tmp_path: Path):
        parts = (just_runs("kafka", tmp_path), part("database", tmp_path, ENDS_AT_ONCE))
        async with supervised(*parts, state=tmp_path) as supervisor:
            assert await supervisor.up() == ["database"]

            found = await state_of(supervisor, "database")
            assert found["state"] == "failed"
            assert found["reason"] == "ended with exit code 3 before it was ready\nthe disk is full"

    async def test_of_a_needed_part_does_not_let_up_wait(self, tmp_path: Path):
        parts = (
            part("gateway", tmp_path, needs=("api",)),
            part("api", tmp_path, needs=("database",)),
            part("database", tmp_path, ENDS_AT_ONCE),
        )
        async with supervised(*parts, state=tmp_path) as supervisor:
            assert await supervisor.up() == ["database", "api", "gateway"]

    async def test_to_become_ready_in_time_ends_the_process(self, tmp_path: Path):
        slow = part("api", tmp_path, "import signal; signal.pause()", ready_seconds=0.2)
        async with supervised(slow, state=tmp_path) as supervisor:
            assert await supervisor.up() == ["api"]

            assert "was not ready after 0.2 s" in str((await state_of(supervisor, "api"))["reason"])
            assert supervisor.keepers["api"].child is None

    async def test_of_a_preparation_is_told(self, tmp_path: Path):
        async def prepare() -> None:
            raise OSError("no space left")

        async with supervised(part("api", tmp_path, prepare=prepare), state=tmp_path) as supervisor:
            assert await supervisor.up() == ["api"]

            assert "no space left" in str((await state_of(supervisor, "api"))["reason"])


class TestCrash:
    async def test_is_followed_by_a_restart_that_status_tells_of(self, tmp_path: Path):
        async with supervised(part("api", tmp_path), state=tmp_path) as supervisor:
            await supervisor.up()
            before = pid_of(supervisor, "api")

            os.kill(before, signal.SIGKILL)

            await eventually(lambda: notes(tmp_path).count("started api") == 2)
            await eventually(lambda: supervisor.keepers["api"].state == "ready")
            found = await state_of(supervisor, "api")
            assert found["crashes"] == 1
            assert found["pid"] != before

    async def test_shows_restarting_while_it_waits(self, tmp_path: Path):
        code = (
            f"import os, sys; os.path.exists({str(tmp_path / 'broken')!r}) and sys.exit(9)\n{NOTES_ITS_LIFE}"
        )
        async with supervised(part("api", tmp_path, code), state=tmp_path) as supervisor:
            await supervisor.up()
            (tmp_path / "broken").touch()

            async with supervisor.events() as events:
                os.kill(pid_of(supervisor, "api"), signal.SIGKILL)
                told = [await asyncio.wait_for(events.get(), 5) for _ in range(4)]

            assert [one["state"] for one in told] == ["ready", "restarting", "starting", "restarting"]
            assert "SIGKILL" in told[1]["reason"]
            assert "exit code 9" in told[3]["reason"]

    async def test_that_is_not_ready_in_time_again_is_tried_until_it_is(self, tmp_path: Path):
        slow = tmp_path / "slow"
        code = f"import os, signal; os.path.exists({str(slow)!r}) and signal.pause()\n{NOTES_ITS_LIFE}"
        async with supervised(part("api", tmp_path, code, ready_seconds=3.0), state=tmp_path) as supervisor:
            await supervisor.up()
            slow.touch()
            async with supervisor.events() as events:
                os.kill(pid_of(supervisor, "api"), signal.SIGKILL)
                told = [await asyncio.wait_for(events.get(), 10) for _ in range(4)]
            slow.unlink()

            assert "was not ready" in told[3]["reason"]
            await eventually(lambda: supervisor.keepers["api"].state == "ready")

    def test_pauses_grow_up_to_a_limit(self):
        assert [BackOff().pause(failures) for failures in (1, 2, 3, 7, 50)] == [0.5, 1.0, 2.0, 30.0, 30.0]


class TestOneShot:
    async def test_runs_again_only_when_its_inputs_have_changed(self, tmp_path: Path):
        inputs = ["first"]
        once = just_runs(
            "migrate",
            tmp_path,
            "import os; open(os.environ['NOTES'], 'a').write('migrated\\n')",
            one_shot=True,
            fingerprint=lambda: inputs[0],
        )
        async with supervised(once, state=tmp_path) as supervisor:
            await supervisor.up()
            await supervisor.up()
        async with supervised(once, state=tmp_path) as supervisor:
            await supervisor.up()

            inputs[0] = "second"
            await supervisor.up()

        assert notes(tmp_path) == ["migrated", "migrated"]

    async def test_that_fails_keeps_back_what_needs_it(self, tmp_path: Path):
        parts = (
            just_runs("migrate", tmp_path, ENDS_AT_ONCE, one_shot=True, fingerprint=lambda: "same"),
            part("api", tmp_path, needs=("migrate",)),
        )
        async with supervised(*parts, state=tmp_path) as supervisor:
            assert await supervisor.up() == ["migrate", "api"]

            assert notes(tmp_path) == []

    async def test_whose_inputs_cannot_be_read_says_so_and_keeps_nobody_waiting(self, tmp_path: Path):
        def unreadable() -> str:
            raise FileNotFoundError("code.py")

        parts = (
            just_runs("migrate", tmp_path, one_shot=True, fingerprint=unreadable),
            part("api", tmp_path, needs=("migrate",)),
        )

        async with supervised(*parts, state=tmp_path) as supervisor, asyncio.timeout(20):
            assert await supervisor.up() == ["migrate", "api"]
            told = await state_of(supervisor, "migrate")

        assert (told["state"], told["reason"]) == (
            "failed",
            "what it is made from could not be read: code.py",
        )

    async def test_may_be_a_preparation_alone(self, tmp_path: Path):
        ran: list[str] = []

        async def prepare() -> None:
            ran.append("topics")

        only = just_runs("topics", tmp_path, one_shot=True, command=(), prepare=prepare)
        async with supervised(only, state=tmp_path) as supervisor:
            assert await supervisor.up() == []

        assert ran == ["topics"]


class TestStop:
    async def test_kills_what_does_not_end_with_all_that_it_started(self, tmp_path: Path):
        child = "import os, signal; open(os.environ['READY'], 'w').write(str(os.getpid())); signal.pause()"
        stubborn = (
            "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
            f"subprocess.Popen([sys.executable, '-S', '-c', {child!r}]); signal.pause()"
        )
        async with supervised(
            part("api", tmp_path, stubborn, stop_seconds=0.1), state=tmp_path
        ) as supervisor:
            await supervisor.up()
            started = psutil.Process(int((tmp_path / "api.ready").read_text()))

        await eventually(lambda: not started.is_running() or started.status() == psutil.STATUS_ZOMBIE)

    async def test_uses_the_signal_of_the_part(self, tmp_path: Path):
        code = NOTES_ITS_LIFE.replace("SIGTERM", "SIGINT")
        async with supervised(
            part("api", tmp_path, code, stop_signal=signal.SIGINT), state=tmp_path
        ) as supervisor:
            await supervisor.up()

        assert notes(tmp_path)[-1] == "stopped api"

    async def test_of_one_part_leaves_the_others_alone(self, tmp_path: Path):
        parts = (
            part("database", tmp_path),
            part("auth-api", tmp_path, needs=("database",)),
            part("auth-worker", tmp_path),
        )
        async with supervised(*parts, state=tmp_path) as supervisor:
            await supervisor.up()
            before = pid_of(supervisor, "database")

            assert await supervisor.restart(["auth"]) == []

            assert pid_of(supervisor, "database") == before
            assert [one for one in notes(tmp_path) if one.startswith("stopped")] in (
                ["stopped auth-api", "stopped auth-worker"],
                ["stopped auth-worker", "stopped auth-api"],
            )

    async def test_of_all_is_in_order_through_work_that_is_done_once(self, tmp_path: Path):
        parts = (
            part("database", tmp_path),
            just_runs("roles", tmp_path, "", one_shot=True, needs=("database",)),
            part("pooler", tmp_path, needs=("roles",)),
        )
        async with supervised(*parts, state=tmp_path) as supervisor:
            await supervisor.up()

            assert await supervisor.restart([]) == []

            assert notes(tmp_path)[2:4] == ["stopped pooler", "stopped database"]

    async def test_of_an_unknown_part_names_the_known_ones(self, tmp_path: Path):
        async with supervised(part("database", tmp_path), state=tmp_path) as supervisor:
            with pytest.raises(RefusedError, match="no part databse; there are: database"):
                await supervisor.restart(["databse"])


class TestPorts:
    async def test_taken_by_others_start_nothing_and_are_named_with_the_setting(self, tmp_path: Path):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            parts = (part("database", tmp_path), part("gateway", tmp_path, ports=(port,)))
            async with supervised(*parts, state=tmp_path) as supervisor:
                with pytest.raises(RefusedError) as refused:
                    await supervisor.up()

        assert f"port {port} for gateway is held by" in str(refused.value)
        assert f"pid {os.getpid()}" in str(refused.value)
        assert "QUARTET_PORT_BASE" in str(refused.value)
        assert notes(tmp_path) == []


class TestProcessOfAPart:
    async def test_sees_its_own_environment_and_not_that_of_a_shell(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("PGPASSWORD", "of somebody's shell")
        code = f"import os; print(sorted(os.environ), flush=True); open(os.environ['READY'], 'w'); {WAITS}"
        async with supervised(part("api", tmp_path, code), state=tmp_path) as supervisor:
            await supervisor.up()

        written = (tmp_path / "api.log").read_text()
        assert "'NAME'" in written
        assert "PGPASSWORD" not in written

    async def test_writes_a_log_that_only_its_owner_reads(self, tmp_path: Path):
        async with supervised(part("api", tmp_path), state=tmp_path) as supervisor:
            await supervisor.up()

        assert (tmp_path / "api.log").stat().st_mode & 0o777 == 0o600

    async def test_that_cannot_be_started_is_told_of(self, tmp_path: Path):
        nowhere = just_runs("api", tmp_path, command=(str(tmp_path / "nowhere"),))
        async with supervised(nowhere, state=tmp_path) as supervisor:
            assert await supervisor.up() == ["api"]

            assert "could not be started" in str((await state_of(supervisor, "api"))["reason"])

    async def test_whose_question_fails_later_is_unready(self, tmp_path: Path):
        async with supervised(part("api", tmp_path), state=tmp_path) as supervisor:
            await supervisor.up()

            (tmp_path / "api.ready").unlink()

            assert (await state_of(supervisor, "api"))["state"] == "unready"

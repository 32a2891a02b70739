from quartet_cli.stack import Stack
from quartet_cli.stack.parts import build_parts, server_parts


class TestParts:
    def test_need_only_parts_that_exist(self, stack: Stack):
        parts = {part.name: part for part in build_parts(stack)}

        assert {need for part in parts.values() for need in part.needs} <= parts.keys()

    def test_are_eight_processes_four_migrations_and_the_servers(self, stack: Stack):
        names = {part.name for part in build_parts(stack)}

        services = ("auth", "profile", "calendar", "chat")
        assert names - {part.name for part in server_parts(stack)} == {
            "gateway",
            "mail",
            *(f"{service}-{kind}" for service in services for kind in ("api", "worker", "migrate")),
        }

    def test_never_share_a_port_or_a_log(self, stack: Stack):
        parts = build_parts(stack)
        ports = [port for part in parts for port in part.ports]

        assert len(set(ports)) == len(ports)
        assert len({part.log for part in parts}) == len(parts)
        assert set(ports) == set(stack.ports.values())

    def test_that_do_something_once_are_skipped_while_nothing_changed(self, stack: Stack):
        migrations = [part for part in build_parts(stack) if part.name.endswith("-migrate")]

        assert all(part.one_shot and part.fingerprint for part in migrations)

    def test_put_no_password_on_a_command_line(self, stack: Stack):
        words = " ".join(word for part in build_parts(stack) for word in part.command)

        assert not any(secret in words for secret in stack.passwords.values())

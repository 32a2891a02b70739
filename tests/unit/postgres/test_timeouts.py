import itertools

from common.postgres import timeouts
from common.settings import DatabaseSettings, HttpSettings


class TestTimeouts:
    def test_nest(self):
        from_the_inside = [
            timeouts.POOL_WAIT_SECONDS,
            timeouts.STATEMENT_SECONDS,
            timeouts.COMMIT_SECONDS,
            timeouts.COMMAND_SECONDS,
            timeouts.REQUEST_DEADLINE_SECONDS,
            timeouts.IDLE_IN_TRANSACTION_SECONDS,
        ]

        assert all(inner < outer for inner, outer in itertools.pairwise(from_the_inside))

    def test_leave_time_to_begin_anew_within_a_request(self):
        twice = 2 * (timeouts.CONNECT_SECONDS + timeouts.BEGIN_SECONDS) + timeouts.POOL_WAIT_SECONDS

        assert twice < timeouts.REQUEST_DEADLINE_SECONDS

    def test_are_what_the_settings_begin_with(self):
        waits = DatabaseSettings.model_fields["pool_wait_seconds"].default
        deadline = HttpSettings.model_fields["request_deadline_seconds"].default

        assert (waits, deadline) == (timeouts.POOL_WAIT_SECONDS, timeouts.REQUEST_DEADLINE_SECONDS)

"""What every fault of this run left in the logs (last, by its name): no secret, whatever went wrong."""

from tests.support.secrets import all_secrets, leaks


class TestSecrets:
    async def test_are_in_no_log_of_a_run_full_of_faults(self, stack, parts, operator):
        await parts.well()

        assert leaks(stack, await all_secrets(stack, operator)) == []

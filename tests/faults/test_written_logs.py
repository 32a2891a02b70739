"""What every fault of this run left in the logs (last, by its name): no secret, whatever went wrong."""

from uuid import uuid4

from tests.support.secrets import all_secrets, leaks, logs
from tests.support.waiting import eventually


class TestSecrets:
    async def test_are_in_no_log_of_a_run_full_of_faults(self, gateway, stack, parts, operator):
        await parts.well()
        last = f"/api/v1/profile/last-{uuid4().hex}"
        await gateway.get(last)
        # the gateway keeps lines for a second before it writes them
        await eventually(lambda: any(last in text for text in logs(stack).values()), every=0.2)

        assert leaks(stack, await all_secrets(stack, operator)) == []

"""Files are read and written now and then: without their storage all the rest goes on."""

from common.blobs.store import Blobs
from common.health.checks import Check, Severity, Unwell, immediate


def storage_check(blobs: Blobs) -> Check:
    """What the last use found: nobody is asked for the check's sake."""

    def probe() -> str:
        if blobs.trouble is not None:
            raise Unwell("failed when it was used last")
        return "answered when it was used last"

    return immediate("storage", probe, severity=Severity.DEGRADING)

"""What a worker tidies up in its schema: partitions, what is past its time."""

from common.housekeeping.loop import Housekeeping, Task
from common.housekeeping.tasks import common_tasks

__all__ = ["Housekeeping", "Task", "common_tasks"]

"""Durable jobs: a row made in the transaction of its cause, carried out by a worker (ADR 0007)."""

from common.jobs.control import Control, JobCancelled, LeaseLost
from common.jobs.enqueue import enqueue
from common.jobs.kinds import Backoff, Job, JobKind, Progress
from common.jobs.runner import Runner

__all__ = [
    "Backoff",
    "Control",
    "Job",
    "JobCancelled",
    "JobKind",
    "LeaseLost",
    "Progress",
    "Runner",
    "enqueue",
]

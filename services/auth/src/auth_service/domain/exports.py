"""What a user takes along: how long it is kept, and what its files are called."""

from datetime import timedelta
from typing import Final
from uuid import UUID

EXPORT_KEPT: Final = timedelta(days=7)
"""From when it is ready; one that never was is forgotten so long after it was asked for."""
MEDIA_TYPE: Final = "application/zip"


def files_of_user(user_id: UUID) -> str:
    return f"exports/{user_id}/"


def files_of_export(user_id: UUID, export_id: UUID) -> str:
    return f"{files_of_user(user_id)}{export_id}/"

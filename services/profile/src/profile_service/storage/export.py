"""What profile tells a user who takes their data along."""

from common.export import Export, Section
from profile_service.domain.fields import FIELDS
from profile_service.domain.preferences import CHOICES, SWITCHES

EXPORT = Export(
    own={
        "profile": Section(
            "profiles",
            (
                *(field.column for field in FIELDS),
                *("timezone", "language", "version", "created_at", "updated_at", "completed_at"),
            ),
            order_by="user_id",
        ),
        "preferences": Section(
            "preferences", (*CHOICES, *SWITCHES, "version", "updated_at"), order_by="user_id"
        ),
        "avatar": Section("avatars", ("version", "updated_at"), order_by="user_id"),
    },
    own_kept_back={
        "avatars.blob": "the file's name in the storage; the picture itself is told",
        "profiles.account_version": "which version of the account the time zone and the language are of",
        "public_profiles": "copies of the profile's fields",
    },
)

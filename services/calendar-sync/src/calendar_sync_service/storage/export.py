"""What calendar-sync tells a user who takes their data along."""

from common.export import Export, Section

EXPORT = Export(
    own={
        "owner": Section("calendar_owners", ("created_at",), order_by="user_id"),
        "categories": Section(
            "categories", ("id", "name", "colour", "position", "created_at"), order_by="position, id"
        ),
    },
    own_kept_back={},
)

import sqlalchemy as sa

from common.postgres.common_tables import new_metadata, text, timestamp, uuid
from common.postgres.context import Context
from common.postgres.tables import ALL, READ, Grants, Schema, TableAccess
from profile_service.domain.avatars import BLOB_CHECK
from profile_service.domain.fields import CONTACT_CHECK, FIELDS, FOR_SERVICES, PUBLIC
from profile_service.domain.preferences import CHOICES, SWITCHES, check

metadata = new_metadata()


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1"))


sa.Table(
    "profiles",
    metadata,
    uuid("user_id", primary_key=True),
    *(
        sa.Column(field.column, sa.Date if field.rule.of_dates else sa.Text, nullable=True)
        for field in FIELDS
    ),
    text("timezone", nullable=True),
    text("language", nullable=True),
    sa.Column("account_version", sa.Integer, nullable=False, server_default=sa.text("0")),
    _version(),
    timestamp("created_at", default_now=True),
    timestamp("updated_at", default_now=True),
    timestamp("completed_at", nullable=True),
    *(sa.CheckConstraint(field.check, name=field.column) for field in FIELDS),
    sa.CheckConstraint(CONTACT_CHECK, name="emergency_contact"),
    sa.Index("profiles_user_id_created_at_idx", "user_id", "created_at"),
    sa.Index("profiles_incomplete_idx", "created_at", postgresql_where=sa.text("completed_at is null")),
)

# What everybody who is signed in may read: copies, made in the transaction that changes the profile.
sa.Table(
    "public_profiles",
    metadata,
    uuid("user_id", primary_key=True),
    *(text(field.column, nullable=True) for field in PUBLIC),
    _version(),
    timestamp("updated_at"),
    sa.ForeignKeyConstraint(["user_id"], ["profiles.user_id"], ondelete="cascade"),
)

sa.Table(
    "preferences",
    metadata,
    uuid("user_id", primary_key=True),
    *(text(name) for name in CHOICES),
    *(sa.Column(name, sa.Boolean, nullable=False) for name in SWITCHES),
    _version(),
    timestamp("updated_at"),
    *(sa.CheckConstraint(check(name), name=name) for name in CHOICES),
    sa.ForeignKeyConstraint(["user_id"], ["profiles.user_id"], ondelete="cascade"),
)

sa.Table(
    "avatars",
    metadata,
    uuid("user_id", primary_key=True),
    text("blob", nullable=True),
    _version(),
    timestamp("updated_at"),
    sa.CheckConstraint(BLOB_CHECK, name="blob"),
    sa.ForeignKeyConstraint(["user_id"], ["profiles.user_id"], ondelete="cascade"),
)

_OWN_ROW = "user_id = (select profile.app_uid())"
_WRITTEN = tuple(field.column for field in FIELDS)
_COPIED = ("timezone", "language", "account_version")
SHOWN_TO_SERVICES = (
    *("user_id", *(field.column for field in FOR_SERVICES)),
    *("timezone", "language", "version"),
)
_PUBLISHED = (*(field.column for field in PUBLIC), "updated_at")
_CHOSEN = (*CHOICES, *SWITCHES, "updated_at")
_POINTED_TO = ("blob", "updated_at")

SCHEMA = Schema(
    "profile",
    own=(
        TableAccess(
            "profiles",
            "user",
            user=Grants(
                select=ALL,
                insert=("user_id", *_WRITTEN, *_COPIED, "created_at", "updated_at", "completed_at"),
                update=(*_WRITTEN, *_COPIED, "version", "updated_at", "completed_at"),
            ),
            others={Context.STAFF: READ, Context.SERVICE: Grants(select=SHOWN_TO_SERVICES)},
        ),
        TableAccess(
            "public_profiles",
            "shared",
            # select as well: ON CONFLICT compares with what is there
            user=Grants(
                select=ALL, insert=("user_id", *_PUBLISHED), update=(*_PUBLISHED, "version"), rows=_OWN_ROW
            ),
        ),
        TableAccess(
            "preferences",
            "user",
            user=Grants(select=ALL, insert=("user_id", *_CHOSEN), update=(*_CHOSEN, "version")),
        ),
        TableAccess(
            "avatars",
            "shared",
            # select as well: ON CONFLICT compares with what is there
            user=Grants(
                select=ALL,
                insert=("user_id", *_POINTED_TO),
                update=(*_POINTED_TO, "version"),
                rows=_OWN_ROW,
            ),
        ),
    ),
    metadata=metadata,
)

HEAD = "profile_0005"
"""The oldest revision that this code works with; readiness compares it with the database's."""

"""What users say of themselves."""

from collections.abc import Iterator

from alembic import op

from common.postgres.versions import common_tables_v1, drop_common_tables_v1

revision = "profile_0001"
down_revision = None
branch_labels = None
depends_on = None

_HIDDEN = (
    r"\u0001-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffc"
    r"\U000e0000-\U000e00ff"
)
_SPACES = r"\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_LINES = {
    "first_name": 100,
    "last_name": 100,
    "display_name": 200,
    "pronouns": 40,
    "emergency_contact_name": 200,
    "emergency_contact_relationship": 60,
    "address_line1": 200,
    "address_line2": 200,
    "address_city": 120,
    "address_region": 120,
    "address_postal_code": 20,
}
_LINE = rf"{{0}} !~ '^ | $|  |[\u000a{_HIDDEN}{_SPACES}]'"
_TEXT = "char_length({0}) between 1 and {1} and {0} is nfc normalized"
_EMAIL = (
    "char_length({0}) <= 254 and {0} is nfc normalized and {0} ~ "
    rf"'^[^@ \u000a\u200c\u200d{_HIDDEN}{_SPACES}]+@[a-z0-9-]+(\.[a-z0-9-]+)+$'"
)
_CHECKS = {
    "bio": rf"{_TEXT.format('bio', 2000)} and bio !~ '^[ \u000a]|[ \u000a]$|[{_HIDDEN}{_SPACES}]'",
    "date_of_birth": "date_of_birth between '1890-01-01' and (updated_at at time zone 'UTC')::date",
    **{name: f"{_TEXT.format(name, most)} and {_LINE.format(name)}" for name, most in _LINES.items()},
    **{name: _EMAIL.format(name) for name in ("work_email", "emergency_contact_email")},
    **{
        name: rf"{name} ~ '^\+[1-9][0-9]{{6,14}}$'"
        for name in ("phone_number", "alternate_phone", "work_phone", "emergency_contact_phone")
    },
    "website": (
        "char_length(website) <= 2048 and website ~ "
        r"'^https://[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?/[]!#-;=?@A-Z[_a-z~]*$'"
    ),
    "linkedin": (
        "char_length(linkedin) <= 1230 and linkedin ~ "
        r"'^https://www\.linkedin\.com/(in|company)/([a-z0-9_-]|%[0-9A-F][0-9A-F])+$'"
    ),
    "twitter": r"char_length(twitter) <= 29 and twitter ~ '^https://x\.com/[a-z0-9_]{1,15}$'",
    "github": r"char_length(github) <= 58 and github ~ '^https://github\.com/[a-z0-9][a-z0-9-]{0,38}$'",
    "address_country": "address_country ~ '^[A-Z][A-Z]$'",
    "emergency_contact": (
        "emergency_contact_name is not null or num_nonnulls("
        "emergency_contact_relationship, emergency_contact_phone, emergency_contact_email) = 0"
    ),
}


def upgrade() -> None:
    op.execute(common_tables_v1())
    op.execute("""
        create table profiles (
            user_id uuid not null,
            first_name text,
            last_name text,
            display_name text,
            pronouns text,
            bio text,
            date_of_birth date,
            work_email text,
            phone_number text,
            alternate_phone text,
            work_phone text,
            website text,
            linkedin text,
            twitter text,
            github text,
            emergency_contact_name text,
            emergency_contact_relationship text,
            emergency_contact_phone text,
            emergency_contact_email text,
            address_line1 text,
            address_line2 text,
            address_city text,
            address_region text,
            address_postal_code text,
            address_country text,
            timezone text,
            language text,
            account_version integer not null default 0,
            version integer not null default 1,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            completed_at timestamptz,
            constraint profiles_pkey primary key (user_id)
        );
    """)
    op.execute(f"alter table profiles {', '.join(_constraints())};")
    op.execute("""
        create index profiles_user_id_created_at_idx on profiles (user_id, created_at);
        create index profiles_incomplete_idx on profiles (created_at) where completed_at is null;
    """)
    _public_profiles()
    _preferences()


def _public_profiles() -> None:
    op.execute("""
        create table public_profiles (
            user_id uuid not null,
            display_name text,
            pronouns text,
            bio text,
            website text,
            linkedin text,
            twitter text,
            github text,
            version integer not null default 1,
            updated_at timestamptz not null,
            constraint public_profiles_pkey primary key (user_id),
            constraint public_profiles_user_id_fkey
                foreign key (user_id) references profiles (user_id) on delete cascade
        );
    """)


def _preferences() -> None:
    op.execute("""
        create table preferences (
            user_id uuid not null,
            units text not null,
            week_start text not null,
            date_display text not null,
            time_display text not null,
            number_display text not null,
            notify_reminders boolean not null,
            notify_summaries boolean not null,
            notify_news boolean not null,
            version integer not null default 1,
            updated_at timestamptz not null,
            constraint preferences_pkey primary key (user_id),
            constraint preferences_user_id_fkey
                foreign key (user_id) references profiles (user_id) on delete cascade,
            constraint preferences_units_check check (units in ('metric', 'imperial')),
            constraint preferences_week_start_check check (week_start in ('monday', 'saturday', 'sunday')),
            constraint preferences_date_display_check
                check (date_display in ('YYYY-MM-DD', 'DD/MM/YYYY', 'MM/DD/YYYY')),
            constraint preferences_time_display_check check (time_display in ('24h', '12h')),
            constraint preferences_number_display_check
                check (number_display in ('1,234.5', '1.234,5', '1 234,5'))
        );
    """)


def downgrade() -> None:
    op.execute("drop table preferences, public_profiles, profiles;")
    op.execute(drop_common_tables_v1())


def _constraints() -> Iterator[str]:
    for name, check in _CHECKS.items():
        yield f"add constraint profiles_{name}_check check ({check})"

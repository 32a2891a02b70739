from common.errors import Kind
from common.postgres.constraints import COMMON_BUGS, Constraint, Constraints

_COUNTS = "counts are only ever added to"
_ENUMERATION = "the values are an enumeration"
_ONE_STATEMENT = "both sides are written by one statement"

CONSTRAINTS = Constraints(
    by_name={
        "users_email_norm_key": Constraint(
            "email.taken", "This address belongs to an account.", pointer="/email"
        ),
        "users_email_check": Constraint(
            "email.invalid", "An address has at most 320 characters.", pointer="/email", kind=Kind.INVALID
        ),
        "users_email_norm_check": Constraint(
            "email.invalid",
            "This is not an e-mail address that mail could be sent to.",
            pointer="/email",
            kind=Kind.INVALID,
        ),
        "users_full_name_check": Constraint(
            "full_name.length",
            "A name has between 2 and 200 characters.",
            pointer="/full_name",
            kind=Kind.INVALID,
        ),
        "users_language_check": Constraint(
            "language.invalid",
            "This is not a language as BCP 47 spells it.",
            pointer="/language",
            kind=Kind.INVALID,
        ),
        "authentication_sessions_label_check": Constraint(
            "device_label.length",
            "A device's name has between 1 and 100 characters.",
            pointer="/device_label",
            kind=Kind.INVALID,
        ),
        "authentication_sessions_user_id_fkey": Constraint(
            "account.gone", "This account is not there any more."
        ),
        "login_stats_user_id_fkey": Constraint("account.gone", "This account is not there any more."),
        "mail_links_user_id_fkey": Constraint("account.gone", "This account is not there any more."),
        "exports_user_id_fkey": Constraint("account.gone", "This account is not there any more."),
        "registrations_user_id_fkey": Constraint("account.gone", "This account is not there any more."),
    },
    bugs=COMMON_BUGS
    | {
        "users_role_check": _ENUMERATION,
        "users_version_check": _COUNTS,
        "authentication_sessions_expires_at_check": "a session's end is computed with its expiry",
        "authentication_sessions_refresh_counter_check": _COUNTS,
        "authentication_sessions_revoked_at_check": _ONE_STATEMENT,
        "authentication_sessions_user_agent_check": "the header is cut before it is kept",
        "login_attempts_failures_check": _COUNTS,
        "login_stats_failed_login_attempts_check": _COUNTS,
        "login_stats_login_count_check": _COUNTS,
        "mail_links_email_check": "an address goes with one purpose, which the use case names",
        "mail_links_purpose_check": _ENUMERATION,
        "registrations_password_tag_check": "a tag is cut to its two bytes",
        "signing_keys_private_sealed_check": _ONE_STATEMENT,
        "signing_keys_state_check": _ENUMERATION,
    },
)

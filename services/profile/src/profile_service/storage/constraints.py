from common.errors import Kind
from common.postgres.constraints import COMMON_BUGS, Constraint, Constraints
from profile_service.domain.fields import FIELDS
from profile_service.domain.preferences import CHOICES

# Behind the same rules of the API, which names finer codes: a caller who meets one of these has found a
# difference between the two, and is told the field all the same.
_OF_FIELDS = {
    f"profiles_{field.column}_check": Constraint(
        f"{field.column}.invalid",
        f"This is not {field.rule.says}.",
        pointer=field.pointer,
        kind=Kind.INVALID,
    )
    for field in FIELDS
}
_OF_CHOICES = {
    f"preferences_{name}_check": f"{name} is an enumeration, which the API's model knows" for name in CHOICES
}

CONSTRAINTS = Constraints(
    by_name={
        **_OF_FIELDS,
        "profiles_emergency_contact_check": Constraint(
            "emergency_contact.name_missing",
            "Somebody to be called has a name.",
            pointer="/emergency_contact/name",
            kind=Kind.INVALID,
        ),
    },
    bugs={
        **COMMON_BUGS,
        **_OF_CHOICES,
        "public_profiles_user_id_fkey": "written after its profile, in the same transaction",
        "preferences_user_id_fkey": "written after the profile, in the same transaction",
        "avatars_user_id_fkey": "written after the profile, in the same transaction",
        "avatars_blob_check": "names of pictures are made here",
    },
)

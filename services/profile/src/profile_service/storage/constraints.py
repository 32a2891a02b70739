from common.errors import Kind
from common.postgres.constraints import COMMON_BUGS, Constraint, Constraints

CONSTRAINTS = Constraints(
    by_name={
        "profiles_full_name_check": Constraint(
            "full_name.length",
            "A name has between 1 and 200 characters.",
            pointer="/full_name",
            kind=Kind.INVALID,
        ),
    },
    bugs=COMMON_BUGS,
)

from common.errors import Kind
from common.postgres.constraints import COMMON_BUGS, Constraint, Constraints

CONSTRAINTS = Constraints(
    by_name={
        "categories_user_id_name_key": Constraint(
            "category.name_taken", "There is a category of this name already.", pointer="/name"
        ),
        "categories_name_check": Constraint(
            "category.name_length",
            "A category's name has between 1 and 100 characters.",
            pointer="/name",
            kind=Kind.INVALID,
        ),
        "categories_colour_check": Constraint(
            "category.colour",
            "A colour is written as #3b6fd4, in small letters.",
            pointer="/colour",
            kind=Kind.INVALID,
        ),
        "categories_user_id_fkey": Constraint(
            "calendar.not_ready", "The calendar of this user is not there, or not there any more."
        ),
    },
    bugs=COMMON_BUGS,
)

from common.postgres.constraints import COMMON_BUGS, Constraint, Constraints

CONSTRAINTS = Constraints(
    by_name={
        "usage_weekly_user_id_fkey": Constraint(
            "learner.not_ready", "This user does not practise here yet, or not any more."
        ),
    },
    bugs=COMMON_BUGS
    | {
        "usage_weekly_messages_check": "what was used is only ever added to",
        "usage_weekly_tokens_check": "what was used is only ever added to",
        "usage_weekly_week_check": "weeks come from week_start, which gives Mondays",
    },
)

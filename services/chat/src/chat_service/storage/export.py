"""What chat tells a user who takes their data along."""

from common.export import Export, Section

EXPORT = Export(
    own={
        "learner": Section("learners", ("created_at",), order_by="user_id"),
        "usage": Section("usage_weekly", ("week", "messages", "tokens"), order_by="week"),
    },
    own_kept_back={},
)

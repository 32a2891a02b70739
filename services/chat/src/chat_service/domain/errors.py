from common.errors import Kind, QuartetError


def learner_not_ready() -> QuartetError:
    return QuartetError(
        "chat.not_ready",
        "Practice is not set up for this account yet; it is within moments of the registration.",
        kind=Kind.NOT_FOUND,
    )

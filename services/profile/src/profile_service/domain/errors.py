from common.errors import Kind, QuartetError


def profile_not_ready() -> QuartetError:
    return QuartetError(
        "profile.not_ready",
        "There is no profile for this account yet; it is made within moments of the registration.",
        kind=Kind.NOT_FOUND,
    )

from common.errors import Kind, QuartetError


def nobody() -> QuartetError:
    return QuartetError("profile.not_found", "Nobody of this id shows a profile.", kind=Kind.NOT_FOUND)

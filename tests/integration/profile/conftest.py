from tests.support.profile_app import profile_app  # noqa: F401  # pytest finds fixtures by their names here

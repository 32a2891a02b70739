from tests.support.avatars import resources  # noqa: F401  # pytest finds fixtures by their names here
from tests.support.profile_app import profile_app  # noqa: F401  # the same

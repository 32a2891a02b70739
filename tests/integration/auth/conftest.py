from tests.support.auth_app import auth_app  # noqa: F401  # pytest finds fixtures by their names here
from tests.support.oauth import client_of, disable, signed_in  # noqa: F401  # pytest finds fixtures by their names here

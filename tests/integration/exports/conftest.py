from tests.support.auth_app import auth_app  # noqa: F401  # pytest finds fixtures by their names here
from tests.support.erasing import ada, client, stored, tokens  # noqa: F401  # as above
from tests.support.exporting import blobs, exporting, files_away  # noqa: F401  # as above

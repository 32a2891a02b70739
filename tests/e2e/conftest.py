from tests.support.gateway import gateway, stack  # noqa: F401  # pytest finds fixtures by their names here

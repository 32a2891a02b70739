from tests.support.gateway import gateway, stack  # noqa: F401  # pytest finds fixtures by their names here
from tests.support.whole import operator, topics, whole  # noqa: F401  # pytest finds fixtures by their names here

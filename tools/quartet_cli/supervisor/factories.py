"""The parts of a stack, by the path of its description."""

from collections.abc import Sequence

from quartet_cli.stack import Part, Stack
from quartet_cli.stack.parts import build_parts, server_parts


def whole(path: str) -> Sequence[Part]:
    return build_parts(Stack.load(path))


def servers(path: str) -> Sequence[Part]:
    return server_parts(Stack.load(path))

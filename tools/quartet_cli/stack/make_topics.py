"""Topics and rights of a stack, for itself and for each of its test workers.

    python -m quartet_cli.stack.make_topics PATH_OF_STACK_JSON

A program of its own: the client that it needs would stay in the resident process for good.
"""

import sys

from quartet_cli.stack.description import Stack
from quartet_cli.topics import apply_topics


def main(path: str) -> None:
    stack = Stack.load(path)
    for worker in ("", *stack.workers):
        print(worker or "the stack itself", apply_topics(stack, worker))


if __name__ == "__main__":
    main(sys.argv[1])

"""A stack of servers and processes on this machine: what it is and what it is made of.

`parts.build_parts` is not offered here: it needs the servers' clients, and most commands do not.
"""

from quartet_cli.stack.creation import open_stack
from quartet_cli.stack.description import CHECKOUT, Stack, stack_file
from quartet_cli.stack.part import Part

__all__ = ["CHECKOUT", "Part", "Stack", "open_stack", "stack_file"]

"""What the person at the terminal is told instead of a traceback."""


class StackError(Exception):
    """Its text says what is wrong and what to do."""

class DatabaseUrlError(ValueError):
    """A database URL, or a file that it names, cannot be used: what to change, and never a password."""

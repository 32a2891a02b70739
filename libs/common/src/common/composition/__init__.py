"""How a process is put together: the only code that knows all of the others."""

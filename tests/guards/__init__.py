"""Takes each guard away in a copy of the sources and expects its test to fail: `python -m tests.guards`."""

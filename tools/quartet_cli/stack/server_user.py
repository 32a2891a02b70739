"""The system user that the servers run as when root starts them."""

import pwd
import subprocess

SERVER_USER = "quartet"


def ensure_server_user() -> str:
    """PostgreSQL and PgBouncer refuse root, and initdb wants an entry in the password file."""
    try:
        pwd.getpwnam(SERVER_USER)
    except KeyError:
        home = ("--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin")
        subprocess.run(["useradd", "--system", "--user-group", *home, SERVER_USER], check=True)
    return SERVER_USER

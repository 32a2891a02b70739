"""Importing does nothing: no connection, no thread, no file of settings."""

import os
import subprocess
import sys

import pytest

from tests.support.repository import SERVICE_PACKAGES

_IMPORT_ALL = """
import importlib, pkgutil, sys, threading

found = []
sys.addaudithook(lambda event, arguments: found.append(event) if event.startswith("socket.") else None)
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
# a socket is tried for IPv6 support, and no address is named by that
asked = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
print(sorted(asked.intersection(found)), threading.active_count())
"""

PACKAGES = ("common", *(path.name for path in SERVICE_PACKAGES.values()))


class TestImport:
    @pytest.mark.parametrize("package", PACKAGES)
    def test_of_every_module_connects_to_nothing_and_starts_nothing(self, package):
        run = subprocess.run(
            [sys.executable, "-c", _IMPORT_ALL, package],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )

        assert (run.stdout, run.returncode) == ("[] 1\n", 0), run.stderr

"""Importing does nothing: no connection, no thread, no file of settings."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.repository import SERVICE_PACKAGES

_IMPORT_ALL = """
import importlib, json, pkgutil, sys, threading

found = set()
sys.addaudithook(lambda event, arguments: found.add(event) if event.startswith("socket.") else None)
# a socket is tried for IPv6 support, and no address is named by that
asked = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
told = {}
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(module.name)
    told[name] = [sorted(asked & found), threading.active_count()]
print(json.dumps(told))
"""

PACKAGES = ("common", *(path.name for path in SERVICE_PACKAGES.values()))


@pytest.fixture(scope="module")
def told() -> dict[str, object]:
    """What importing one package after the other did until then, in a process without any setting."""
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, *PACKAGES],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


class TestImport:
    @pytest.mark.parametrize("package", PACKAGES)
    def test_of_every_module_connects_to_nothing_and_starts_nothing(self, told, package):
        assert told[package] == [[], 1]

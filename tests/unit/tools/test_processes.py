import os
import subprocess
import sys

import psutil
import pytest

from quartet_cli.supervisor.processes import tree_bytes


class TestMemory:
    def test_is_counted_without_a_child_that_ended_meanwhile(self, monkeypatch: pytest.MonkeyPatch):
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            gone = psutil.Process(child.pid)
        monkeypatch.setattr(psutil.Process, "children", lambda *_, **__: [gone])

        assert (tree_bytes(os.getpid()) or 0) > 0

    def test_of_a_process_that_is_gone_is_unknown(self):
        with subprocess.Popen([sys.executable, "-c", ""]) as child:
            pid = child.pid

        assert tree_bytes(pid) is None

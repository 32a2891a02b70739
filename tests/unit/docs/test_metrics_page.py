import os
import subprocess
import sys

from tests.support.metrics_page import PAGE
from tests.support.repository import ROOT

PROGRAM = "from tests.support.metrics_page import page; print(page(), end='')"


class TestTheMetricsPage:
    def test_is_what_the_code_registers(self):
        """In a process of its own: other tests may have registered what no process has."""
        command = [sys.executable, "-c", PROGRAM]
        told = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True)

        assert told.stdout == PAGE.read_text(), "python -m tests.support.metrics_page writes it anew"

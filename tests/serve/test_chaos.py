"""`orrery chaos` as an operator runs it."""

import json
import subprocess
import sys

import pytest

from tests.serve.conftest import ROOT

pytestmark = pytest.mark.serve


@pytest.mark.timeout(300)
def test_promises_hold_while_processes_die() -> None:
    command = [sys.executable, "-m", "graphs.cli", "chaos", "--kills", "4", "--seed", "1", "--json"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert figures["faults"] == 4
    assert figures["accepted"] > 0
    assert figures["lost"] == figures["effects twice"] == figures["wrong final states"] == 0

"""`ray up` of the on-premises file over real ssh, on a machine of its own inside this one.

Needs root, sshd and rsync, and some minutes: it runs where ORRERY_RAY_UP=1 asks for it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.serve.conftest import ROOT

TOOLS = ("unshare", "ip", "rsync", "ssh", "/usr/sbin/sshd")
APART = ("--pid", "--fork", "--mount-proc", "--net", "--mount", "--ipc", "--kill-child")

pytestmark = [
    pytest.mark.serve,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.environ.get("ORRERY_RAY_UP") != "1", reason="takes minutes; not asked"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine inside this one takes root"),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}"),
]


def test_the_on_premises_file_brings_up_a_head_that_serves_and_goes_again() -> None:
    with tempfile.TemporaryDirectory(prefix="u-") as folder:
        done = subprocess.run(
            ["unshare", *APART, "bash", "tests/serve/ray_up.sh", folder, sys.prefix],  # noqa: S607 - found above
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=580,
            check=False,
        )
        logs = "\n".join(path.read_text()[-2000:] for path in Path(folder).glob("*.log"))
    assert done.returncode == 0, done.stderr + logs
    seen = json.loads(done.stdout.splitlines()[-1])

    assert seen["during"] == 2  # the control store and the scheduler
    assert seen["running"], logs
    assert seen["after"] == 0

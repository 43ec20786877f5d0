"""The head is lost and comes back with a Redis behind it: the cluster goes on, and goes on serving.

Needs root, a redis-server on PATH or named by ORRERY_REDIS_SERVER, and some minutes: it runs where
ORRERY_HEAD_LOSS=1 asks for it.
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
from tests.serve.head_loss import APART

REDIS = os.environ.get("ORRERY_REDIS_SERVER") or shutil.which("redis-server")
TOOLS = ("unshare", "nsenter", "ip")

pytestmark = [
    pytest.mark.serve,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.environ.get("ORRERY_HEAD_LOSS") != "1", reason="minutes; not asked"),
    pytest.mark.skipif(os.geteuid() != 0, reason="machines inside this one take root"),
    pytest.mark.skipif(REDIS is None, reason="no redis-server on PATH or in ORRERY_REDIS_SERVER"),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}"),
]


def test_replicas_serve_on_while_the_head_is_away_and_it_returns_to_them() -> None:
    assert REDIS is not None
    with tempfile.TemporaryDirectory(prefix="l-") as folder:
        script = ("bash", "tests/serve/head_loss.sh", "worker", folder, sys.prefix)
        done = subprocess.run(
            ["unshare", *APART, *script],  # noqa: S607 - found above
            cwd=ROOT,
            env={**os.environ, "ORRERY_REDIS_SERVER": REDIS},
            capture_output=True,
            text=True,
            timeout=580,
            check=False,
        )
        logs = "\n".join(path.read_text()[-2000:] for path in Path(folder).glob("*.log"))
    assert done.returncode == 0, done.stderr + logs
    seen = json.loads(done.stdout.splitlines()[-1])

    assert seen["failed_away"] + seen["failed_after"] == 0, seen
    assert seen["same_replicas"], seen
    assert seen["attempts"] == [1, 1], seen

"""Films that are killed, stopped or run out of disk go on where they were."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from models.core.capability import Run, Setup
from models.core.errors import Cancelled, StorageFull
from models.core.local_store import LocalArtifactStore
from models.video.model import VideoModel
from models.video.schema import VideoRequest, VideoResult

CLIP: dict[str, Any] = {
    "scene": {"objects": [{"shape": "sphere", "color": "#3060c0"}]},
    "engine": "path-trace",
    "width": 96,
    "height": 64,
    "fps": 8,
    "duration_s": 2,
    "seed": 7,
}
KILL_AT = 9

CHILD = """
import json, sys
from pathlib import Path
from models.core.capability import Run, Setup
from models.core.local_store import LocalArtifactStore
from models.video.model import VideoModel
from models.video.schema import VideoRequest
root = Path(sys.argv[1])
store = LocalArtifactStore(root / "assets", min_free_bytes=0)
setup = Setup(store=store, device="cpu", cache_dir=root / "cache", data_dir=root)
request = VideoRequest.model_validate_json(sys.argv[2])
run = Run(progress=lambda fraction, stage: print(stage, flush=True))
print(VideoModel(setup).run(request, run).model_dump_json(round_trip=True), flush=True)
"""


def filming(root: Path) -> subprocess.Popen[str]:
    (root / "cache").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", CHILD, str(root), json.dumps(CLIP)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())


def model_in(root: Path) -> VideoModel:
    (root / "cache").mkdir(parents=True, exist_ok=True)
    store = LocalArtifactStore(root / "assets", min_free_bytes=0)
    return VideoModel(Setup(store=store, device="cpu", cache_dir=root / "cache", data_dir=root))


def test_a_killed_clip_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    with filming(tmp_path / "killed") as killed:
        assert killed.stdout is not None
        for line in killed.stdout:
            if line.startswith(f"frame {KILL_AT} "):
                os.kill(killed.pid, signal.SIGKILL)
                break
    with filming(tmp_path / "killed") as process:
        again, _ = process.communicate()
    resumed = VideoResult.model_validate_json(again.splitlines()[-1])
    whole = model_in(tmp_path / "whole").run(VideoRequest.model_validate(CLIP), Run())

    assert resumed.resumed_at_frame == 7  # segments hold 1, 2, 4 and 8 frames
    assert f"frame {KILL_AT - 2} of 16" not in again
    assert resumed.assets.video.id == whole.assets.video.id
    assert resumed.assets.playlist is not None
    assert whole.assets.playlist is not None
    assert resumed.assets.playlist.id == whole.assets.playlist.id
    assert not list((tmp_path / "killed" / "cache" / "clips").glob("*/reel"))


def test_a_clip_stops_with_its_frame_and_keeps_its_segments(tmp_path: Path) -> None:
    model, request = model_in(tmp_path), VideoRequest.model_validate(CLIP)
    left = threading.Event()
    later: list[str] = []

    def leave(_fraction: float, stage: str) -> None:
        if left.is_set():
            later.append(stage)
        if stage.startswith("frame 5 "):
            left.set()

    with pytest.raises(Cancelled):
        model.run(request, Run(progress=leave, cancelled=left.is_set))
    result = model.run(request, Run())

    assert later == []
    assert isinstance(result, VideoResult)
    assert result.resumed_at_frame == 3


def test_a_full_disk_is_named_and_the_clip_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """On a file system of its own, 8 MiB, where this process may mount one."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)],  # noqa: S607
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting needs more rights than this process has")
    ballast = small / "ballast"
    try:
        (small / "cache").mkdir()
        store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
        setup = Setup(store=store, device="cpu", cache_dir=small / "cache", data_dir=tmp_path)
        request = VideoRequest.model_validate(CLIP)

        def fill(_fraction: float, stage: str) -> None:
            if stage.startswith("frame 4 ") and not ballast.exists():
                with ballast.open("wb", buffering=0) as file, suppress(OSError):
                    while True:
                        file.write(bytes(4096))

        with pytest.raises(StorageFull, match="finished segments are kept"):
            VideoModel(setup).run(request, Run(progress=fill))
        ballast.unlink()
        result = VideoModel(setup).run(request, Run())
    finally:
        subprocess.run(["umount", str(small)], check=False)  # noqa: S607

    assert isinstance(result, VideoResult)
    assert result.resumed_at_frame == 3

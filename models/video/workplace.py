"""Where a clip is made: a folder of its own, found again after a kill by what was asked."""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from models.core.capability import Run
from models.core.durable import make_folder

KEPT_S: Final = 7 * 24 * 3600.0
"""Unfinished clips are forgotten after this long."""
LOOK_AGAIN_S: Final = 0.2
LOCKS: Final = "locks"


def folder_name(asked: Mapping[str, JsonValue]) -> str:
    """The same for the same request of the same owner with the same encoder."""
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def workplace(root: Path, name: str, run: Run) -> Iterator[Path]:
    """The folder, for this run alone: an equal one waits and then finds the work done.

    Raises:
        Cancelled: The caller left while it waited.
    """
    make_folder(root / LOCKS)
    with (root / LOCKS / name).open("ab") as lock:
        while True:
            run.check()
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(LOOK_AGAIN_S)
                continue
            break
        make_folder(root / name)
        os.utime(root / name)  # still wanted: see sweep
        yield root / name


def sweep(root: Path, clear: Callable[[Path], bool] = lambda _folder: True) -> None:
    """Drop what nobody came back for.

    Args:
        root: Of the folders.
        clear: Called before one is dropped, which stays if the answer is no.
    """
    if not root.is_dir():
        return
    for path in root.iterdir():
        too_old = path.name != LOCKS and time.time() - path.stat().st_mtime > KEPT_S
        if too_old and clear(path):
            shutil.rmtree(path, ignore_errors=True)
            (root / LOCKS / path.name).unlink(missing_ok=True)

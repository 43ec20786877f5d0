"""Files that are either whole or absent, also after a crash or a power cut."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from models.core.errors import StorageFull

FOLDER_MODE = 0o700


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: renaming a file does not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents durably, readable by this user alone."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
        sync_folder(path.parent)


@contextmanager
def temporary_file(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a new file for writing; at the end it is removed unless it was renamed."""
    descriptor, name = tempfile.mkstemp(dir=folder)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file, path
    finally:
        path.unlink(missing_ok=True)


def sync_file(file: BinaryIO) -> None:
    """Flush a file to the device."""
    file.flush()
    os.fsync(file.fileno())


def move_into_place(source: Path, target: Path) -> None:
    """Give a synced file its final name, durably."""
    make_folder(target.parent)
    source.replace(target)
    sync_folder(target.parent)


def write_atomically(target: Path, content: bytes, temporary_folder: Path | None = None) -> None:
    """Replace a file so that a reader sees all of the old content or all of the new.

    Args:
        target: Where the content goes.
        content: All of it.
        temporary_folder: In the file system of `target`; by default its own folder.
    """
    make_folder(target.parent)
    with temporary_file(temporary_folder or target.parent) as (file, path):
        file.write(content)
        sync_file(file)
        move_into_place(path, target)


@contextmanager
def full_disk_is_named(detail: str) -> Iterator[None]:
    """Turn a full disk, or an exhausted quota, into an answer that the caller can act on.

    Raises:
        StorageFull: With this detail.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFull(detail) from error

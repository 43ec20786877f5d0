"""Who is writing to the embedded store, as the kernel tells: a frozen writer holds up all others.

Source: SQLite, WAL-mode File Format, 2.3 (locks of the wal-index); proc_locks(5).
"""

import logging
from pathlib import Path
from typing import Final

import psutil

logger = logging.getLogger(__name__)

LOCKS: Final = Path("/proc/locks")
WRITE_LOCK: Final = 120  # byte of the wal-index


def writer_of(database: Path) -> int | None:
    """Process that holds the write lock; `None` where there is none, or the system is not Linux.

    The file is not opened for it: to close it would let go of this process's own locks.
    """
    try:
        inode = database.with_name(f"{database.name}-shm").stat().st_ino
        lines = LOCKS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        kind, _, access, pid, file, first, last = line.split()[-7:]
        is_held = (kind, access) == ("POSIX", "WRITE") and "->" not in line  # an arrow: waits
        if not is_held or int(file.rsplit(":", 1)[1]) != inode:
            continue
        if int(first) <= WRITE_LOCK and (last == "EOF" or int(last) >= WRITE_LOCK):
            return int(pid)
    return None


def end_frozen_writer(database: Path) -> int | None:
    """Kill who was stopped within a write; its process id, or `None` if nobody was."""
    pid = writer_of(database)
    if pid is None or pid <= 0:
        return None
    try:
        writer = psutil.Process(pid)
        if writer.status() != psutil.STATUS_STOPPED:
            return None
        writer.kill()
    except psutil.Error:
        return None
    logger.error("a process that was frozen within a write is ended", extra={"pid": pid})
    return pid

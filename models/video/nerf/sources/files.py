"""Files of an upload or a folder, read where they are: nothing is unpacked to disk."""

import io
import zipfile
from pathlib import Path, PurePosixPath
from typing import Protocol

from models.core.errors import InvalidInput, TooLarge

MAX_FILES = 2000
MAX_FILE_BYTES = 64 << 20
MAX_TOTAL_BYTES = 2 << 30


class Files(Protocol):
    """A tree of files; names are relative, with `/` between their parts."""

    def names(self) -> tuple[str, ...]:
        """Of all files."""
        ...

    def read(self, name: str) -> bytes:
        """Content of a file.

        Raises:
            InvalidInput: There is no such file.
        """
        ...


class FolderFiles:
    """Files below a folder; links are not followed out of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def names(self) -> tuple[str, ...]:
        """See `Files`."""
        found = (p for p in sorted(self._folder.rglob("*")) if p.is_file())
        return tuple(p.relative_to(self._folder).as_posix() for p in found)

    def read(self, name: str) -> bytes:
        """See `Files`."""
        path = (self._folder / plain_name(name)).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            raise InvalidInput(f"there is no file {name!r}")
        return path.read_bytes()


class ZipFiles:
    """Files of a ZIP archive.

    Raises:
        InvalidInput: It is no archive, is encrypted, or a name points outside of it.
        TooLarge: It holds too many files, or unpacks to too much.
    """

    def __init__(self, content: bytes) -> None:
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except zipfile.BadZipFile as error:
            raise InvalidInput(f"this is no ZIP archive: {error}") from error
        entries = [entry for entry in self._archive.infolist() if not entry.is_dir()]
        if len(entries) > MAX_FILES:
            raise TooLarge(f"the archive holds {len(entries)} files; at most {MAX_FILES}")
        if sum(entry.file_size for entry in entries) > MAX_TOTAL_BYTES:
            raise TooLarge(f"the archive unpacks to more than {MAX_TOTAL_BYTES >> 20} MiB")
        self._entries = {plain_name(entry.filename): entry for entry in entries}

    def names(self) -> tuple[str, ...]:
        """See `Files`."""
        return tuple(sorted(self._entries))

    def read(self, name: str) -> bytes:
        """See `Files`; what an entry claims of its size is not believed."""
        entry = self._entries.get(plain_name(name))
        if entry is None:
            raise InvalidInput(f"there is no file {name!r} in the archive")
        try:
            with self._archive.open(entry) as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
            raise InvalidInput(f"{name!r} cannot be unpacked: {error}") from error
        if len(content) > MAX_FILE_BYTES:
            raise TooLarge(f"{name!r} is larger than {MAX_FILE_BYTES >> 20} MiB")
        return content


def plain_name(name: str) -> str:
    """A name without `.` parts.

    Raises:
        InvalidInput: It is absolute or climbs out.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name:
        raise InvalidInput(f"the name {name!r} points outside")
    return path.as_posix()

"""Files that lie in the store only on their way from one replica of a clip to another."""

import hashlib
import logging
from contextlib import suppress
from pathlib import Path
from typing import Final

from models.core.artifacts import ArtifactStore, Provenance
from models.core.durable import make_folder
from models.core.errors import CapabilityError, UnknownAsset

TRAVELLING: Final = Provenance(capability="video", backend="range")
MEDIA_TYPE: Final = "application/octet-stream"
NOTE: Final = "parcels"

logger = logging.getLogger(__name__)


def owner_of(clip: str) -> str:
    """Who has what travels for a clip: nobody, so that no tenant sees it and none loses it."""
    return f"clip:{clip}"


class Parcels:
    """What travels for one clip; for several threads and processes.

    Ids are noted in the folder of the clip before their bytes are sent, so that whoever finds the
    folder later, another attempt or a sweep, can drop what a killed replica left in the store.

    Args:
        store: Seen by all machines.
        folder: Of the clip on this machine; has its name.
    """

    def __init__(self, store: ArtifactStore, folder: Path) -> None:
        self._store, self._folder = store, folder
        self._owner = owner_of(folder.name)

    def send(self, path: Path) -> str:
        """Send a file on its way; gives its id.

        Raises:
            StorageFull: There is no room.
        """
        with path.open("rb") as file:
            self.note(hashlib.file_digest(file, "sha256").hexdigest())
        asset = self._store.put(
            path,
            owner=self._owner,
            media_type=MEDIA_TYPE,
            filename=path.name,
            provenance=TRAVELLING,
        )
        return asset.id

    def note(self, *asset_ids: str) -> None:
        """Remember what somebody else sent."""
        make_folder(self._folder)
        with (self._folder / NOTE).open("a") as note:
            note.write("".join(f"{asset_id}\n" for asset_id in asset_ids))

    def open(self, asset_id: str) -> bytes:
        """What was sent.

        Raises:
            UnknownAsset: It is gone.
        """
        return b"".join(self._store.read(asset_id, self._owner))

    def take(self, asset_id: str) -> bytes:
        """What was sent for nobody else; it leaves the store.

        Raises:
            UnknownAsset: It is gone.
        """
        content = self.open(asset_id)
        with suppress(CapabilityError):  # else whoever sent it has a note
            self._store.delete(asset_id, self._owner)
        return content

    def forget(self) -> bool:
        """Drop all that is noted; whether nothing of it is left.

        A store that does not answer costs no finished clip: the note stays for the next time.
        """
        note = self._folder / NOTE
        try:
            for asset_id in set(note.read_text().split()) if note.exists() else ():
                with suppress(UnknownAsset):
                    self._store.delete(asset_id, self._owner)
        except CapabilityError as error:
            logger.warning("parcels were left", extra={"code": error.code, "why": str(error)})
            return False
        note.unlink(missing_ok=True)
        return True

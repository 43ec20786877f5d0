"""Ranges of a clip that other replicas film: what they are asked, and how their work comes back."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from pydantic import Field

from models.core.artifacts import ArtifactStore, Provenance
from models.core.capability import Value
from models.core.durable import make_folder, sync_file, temporary_file
from models.core.errors import UnknownAsset
from models.image.schema import Scene
from models.media.reel import Reel
from models.video.schema import VideoRequest
from models.video.workplace import LOCKS

TRAVELLING: Final = Provenance(capability="video", backend="range")
"""Of what is in the store only on its way to another machine."""
MEDIA_TYPE: Final = "application/octet-stream"
CACHE_ID: Final = "cache-id"


class RangeRequest(Value):
    """Film one segment of a clip.

    Attributes:
        clip: Names the clip; follows from everything that shapes its frames.
        number: Of the segment.
        video: What the clip was asked to be.
        seed: Of all random numbers.
        scene: What is filmed, unless it is photographs.
        cache: Of the asker: who has the same sees its files, and nothing has to travel.
        field: Names the fitted field, where frames are of one.
        field_files: Its files by name, and their ids once they are in the store.
    """

    clip: str = Field(pattern=r"^[0-9a-f]{64}$")
    number: int = Field(ge=0)
    video: VideoRequest
    seed: int
    scene: Scene | None = None
    cache: str
    field: str | None = Field(None, pattern=r"^[0-9a-f]{64}(-[0-9]+)?$")
    field_files: Mapping[str, str | None] = Field(default_factory=dict)


class RangeResult(Value):
    """A segment.

    Attributes:
        by: Who filmed it.
        lacks_field: Nothing was filmed: the field has to be in the store.
        init: The asset that players read first; absent where asker and helper share a cache.
        media: The segment.
    """

    by: str
    lacks_field: bool = False
    init: str | None = None
    media: str | None = None


def cache_id(clips: Path) -> str:
    """Names the folder of clips: two machines have different ones."""
    place = clips / LOCKS / CACHE_ID
    make_folder(place.parent)
    if not place.exists():
        with suppress(FileExistsError), temporary_file(place.parent) as (file, path):
            file.write(uuid4().hex.encode())
            sync_file(file)
            place.hardlink_to(path)
    return place.read_text()


def owner_of(clip: str) -> str:
    """Who has what travels for a clip: nobody, so that no tenant sees it and none loses it."""
    return f"clip:{clip}"


class Courier:
    """Brings what peers need to the store, and what they filmed from it.

    Args:
        store: Seen by all machines.
        reel: Takes the segments.
        request: Of any segment; its number is replaced.
        field: Files of the fitted field, if there is one.
    """

    def __init__(
        self, store: ArtifactStore, reel: Reel, request: RangeRequest, field: tuple[Path, ...]
    ) -> None:
        self._store, self._reel, self._field = store, reel, field
        self._request, self._owner = request, owner_of(request.clip)
        self._travelled: set[str] = set()
        self._lock = threading.Lock()

    def order(self, number: int) -> RangeRequest:
        """What to ask for a segment."""
        return self._request.model_copy(update={"number": number})

    def share_field(self) -> None:
        """Bring the field to the store, once for all peers.

        Raises:
            StorageFull: There is no room.
        """
        with self._lock:
            if None in self._request.field_files.values():
                sent = {path.name: put(self._store, path, self._owner) for path in self._field}
                self._travelled.update(sent.values())
                self._request = self._request.model_copy(update={"field_files": sent})

    def fetch(self, number: int, result: RangeResult) -> None:
        """Keep what a peer filmed.

        Raises:
            StorageFull: There is no room.
            UnknownAsset: It is gone.
        """
        if result.init is None or result.media is None:
            return  # it lies where it belongs
        self._travelled.update((result.init, result.media))
        if not self._reel.is_closed(number):
            init, media = (
                b"".join(self._store.read(part, self._owner))
                for part in (result.init, result.media)
            )
            self._reel.close(number, init, media)

    def forget(self) -> None:
        """Drop what travelled, once the clip is there or its maker has stopped."""
        with self._lock:
            for asset_id in self._travelled:
                with suppress(UnknownAsset):
                    self._store.delete(asset_id, self._owner)
            self._travelled.clear()


def put(store: ArtifactStore, path: Path, owner: str) -> str:
    """Send a file on its way; gives its id."""
    asset = store.put(
        path, owner=owner, media_type=MEDIA_TYPE, filename=path.name, provenance=TRAVELLING
    )
    return asset.id

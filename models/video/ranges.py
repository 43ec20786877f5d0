"""Ranges of a clip that other replicas film: what they are asked, and how their work comes back."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from pydantic import Field

from models.core.capability import Value
from models.core.durable import make_folder, sync_file, temporary_file
from models.image.schema import Scene
from models.media.reel import Reel
from models.video.parcels import Parcels
from models.video.schema import VideoRequest
from models.video.workplace import LOCKS

CACHE_ID: Final = "cache-id"


class RangeRequest(Value):
    """Film one segment of a clip.

    Attributes:
        clip: Names the clip; follows from everything that shapes its frames.
        number: Of the segment.
        video: What the clip was asked to be.
        seed: Of all random numbers.
        scene: What is filmed, unless it is photographs or a picture.
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


class Courier:
    """Brings what peers need to the store, and what they filmed from it.

    Args:
        parcels: Of the clip.
        reel: Takes the segments.
        request: Of any segment; its number is replaced.
        field: Files of the fitted field, if there is one.
    """

    def __init__(
        self, parcels: Parcels, reel: Reel, request: RangeRequest, field: tuple[Path, ...]
    ) -> None:
        self._parcels, self._reel, self._field = parcels, reel, field
        self._request = request
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
                sent = {path.name: self._parcels.send(path) for path in self._field}
                self._request = self._request.model_copy(update={"field_files": sent})

    def fetch(self, number: int, result: RangeResult) -> None:
        """Keep what a peer filmed.

        Raises:
            StorageFull: There is no room.
            UnknownAsset: It is gone.
        """
        if result.init is None or result.media is None:
            return  # it lies where it belongs
        self._parcels.note(result.init)  # the same for many segments
        media = self._parcels.take(result.media)
        if not self._reel.is_closed(number):
            self._reel.close(number, self._parcels.open(result.init), media)

    def forget(self) -> None:
        """Drop what travelled, once the clip is there or its maker has stopped."""
        self._parcels.forget()

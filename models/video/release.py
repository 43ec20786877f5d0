"""A clip's files in the artifact store: segments as they close, the rest at the end."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.core.artifacts import ArtifactStore, Asset, Provenance
from models.core.capability import Run
from models.media import stills
from models.media.formats import STREAMED, CodecName
from models.media.join import MEDIA_TYPES, join
from models.media.playlist import MEDIA_TYPE as PLAYLIST
from models.media.playlist import noted
from models.media.reel import Reel
from models.media.size import Size
from models.video import chart
from models.video.nerfstudio import to_nerfstudio
from models.video.path import CameraPath
from models.video.schema import Sprites, VideoAssets, VideoRequest
from models.video.setting import Place

SEGMENT: Final = "video/iso.segment"
JSON: Final = "application/json"


@dataclass(frozen=True)
class Shelf:
    """Keeps files of one clip.

    Attributes:
        store: Where.
        run: Whose they are.
        provenance: How they came to be.
    """

    store: ArtifactStore
    run: Run
    provenance: Provenance

    def keep(self, content: bytes | Path, media_type: str, filename: str) -> Asset:
        """Keep one durably.

        Raises:
            StorageFull: There is no room.
        """
        return self.store.put(
            content,
            owner=self.run.owner,
            media_type=media_type,
            filename=filename,
            provenance=self.provenance,
        )


def provenance_of(request: VideoRequest, engine: str, seed: int) -> Provenance:
    """How a clip came to be, without the words of its prompt."""
    words = hashlib.sha256(request.prompt.encode()).hexdigest()
    return Provenance(capability="video", backend=engine, seed=seed, prompt_sha256=words)


class Stream:
    """The playlist of a clip under way; its segments are assets.

    Args:
        reel: What is filmed.
        shelf: Keeps the segments.
        codec: Players may know how to stream it.
        note: Told beside the playlist while it grows.
        shown: Whether it is shown while it grows.
    """

    def __init__(
        self, reel: Reel, shelf: Shelf, codec: CodecName, note: str = "", *, shown: bool = True
    ) -> None:
        self._reel, self._shelf, self._note, self._is_shown = reel, shelf, note, shown
        self._streams = codec in STREAMED
        self._init = ""
        self._places: list[str] = []

    def add(self, number: int) -> None:
        """Publish the closed segments up to one of them, and show the playlist so far.

        What is published already stays: a helper of a leader that died may still close a segment
        between two looks at the reel, and it must be listed once and in its place.
        """
        if self._streams:
            for missing in range(len(self._places), number + 1):
                self._keep(missing)
            self._show()

    def _keep(self, number: int) -> None:
        if not self._init:
            self._init = self._shelf.keep(self._reel.init, "video/mp4", "init.mp4").url
        name = f"{number:05d}.m4s"
        self._places.append(self._shelf.keep(self._reel.segment(number), SEGMENT, name).url)

    def _show(self) -> None:
        if self._is_shown and self._places:
            self._shelf.run.preview(noted(self._text(), self._note).encode(), PLAYLIST)

    def catch_up(self, note: str = "") -> None:
        """Publish what an earlier attempt closed; from now on the note stands beside it."""
        self._note = note or self._note
        self.add(self._reel.closed - 1)

    def finish(self) -> Asset | None:
        """The whole playlist; nothing where players know no such codec."""
        if not self._streams:
            return None
        return self._shelf.keep(self._text().encode(), PLAYLIST, "playlist.m3u8")

    def _text(self) -> str:
        return self._reel.playlist(self._init, self._places)


def release(
    request: VideoRequest,
    reel: Reel,
    stream: Stream,
    shelf: Shelf,
    path: CameraPath,
    place: Place,
) -> tuple[VideoAssets, Sprites]:
    """Put the file together and keep everything that a caller gets."""
    target = place.folder / f"clip.{request.file}"
    assets, sprites = keep_clip(request, reel, stream, shelf, target, place.seed)
    plain = path.model_dump_json(exclude_defaults=True).encode()
    foreign = to_nerfstudio(path, Size(request.width, request.height)).model_dump_json().encode()
    drawn = chart.draw_path(path, place.boxes)
    flown = {
        "camera_path": shelf.keep(plain, JSON, "camera_path.json"),
        "camera_path_nerfstudio": shelf.keep(foreign, JSON, "camera_path_nerfstudio.json"),
        "path_chart": shelf.keep(drawn, chart.MEDIA_TYPE, f"orrery-{place.seed}-path.png"),
    }
    return assets.model_copy(update=flown), sprites


def keep_clip(
    request: VideoRequest, reel: Reel, stream: Stream, shelf: Shelf, target: Path, seed: int
) -> tuple[VideoAssets, Sprites]:
    """Put the file together and keep it with its playlist and its stills."""
    name = f"orrery-{seed}"
    join(reel.chunks(), target, request.file, request.rate)
    shelf.run.check()
    sheet = stills.sprite_sheet(str(target))
    assets = VideoAssets(
        video=shelf.keep(target, MEDIA_TYPES[request.file], f"{name}.{request.file}"),
        playlist=stream.finish(),
        poster=shelf.keep(stills.poster(str(target)), stills.MEDIA_TYPE, f"{name}.jpg"),
        sprite_sheet=shelf.keep(sheet.content, stills.MEDIA_TYPE, f"{name}-sprites.jpg"),
    )
    sprites = Sprites(
        columns=sheet.columns, width=sheet.tile.width, height=sheet.tile.height,
        times_s=sheet.times_s,
    )  # fmt: skip
    return assets, sprites

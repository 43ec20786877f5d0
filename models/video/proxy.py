"""A small film of the same path, made first: to be looked at while the whole is filmed."""

from collections.abc import Callable
from dataclasses import dataclass

from models.core.artifacts import Asset
from models.core.capability import Run
from models.media.codecs import choose_encoder
from models.media.join import MEDIA_TYPES, join
from models.media.playlist import PROXY
from models.media.reel import Reel, Shot
from models.video.backend import Footage
from models.video.cost import Proxy
from models.video.filming import source_of
from models.video.path import CameraPath
from models.video.release import Shelf, Stream
from models.video.schema import Output
from models.video.setting import Place
from models.video.shooting import depth_range


@dataclass(frozen=True)
class Kept:
    """The files of a small film.

    Attributes:
        video: The whole of it.
        playlist: Of its segments.
    """

    video: Asset
    playlist: Asset | None

    @property
    def note(self) -> str:
        """What the playlist of the whole film says of it."""
        return "" if self.playlist is None else f"{PROXY} {self.playlist.url}"


def film_proxy(
    proxy: Proxy,
    path: CameraPath,
    place: Place,
    footage: Footage,
    output: Output,
    shelf: Shelf,
    told: Callable[[float], None],
    *,
    shown: bool = True,
) -> Kept:
    """Film it, or what is missing of it.

    Args:
        proxy: What it is.
        path: Of the whole film.
        place: Where; keeps the segments until the whole is done.
        footage: Gives pictures in standard range.
        output: What of them.
        shelf: Takes the files.
        told: Takes the share that is done.
        shown: Whether its playlist is shown as it grows.

    Raises:
        Cancelled: Nobody waits for it.
        StorageFull: There is no room.
    """
    run: Run = shelf.run
    encoder = choose_encoder("h264", proxy.size)
    shot = Shot(encoder, proxy.size, proxy.size, proxy.rate, proxy.frames)
    reel = Reel(place.folder / "proxy", shot)
    stream = Stream(reel, shelf, "h264", PROXY, shown=shown)
    stream.catch_up()
    slower = path.model_copy(update={"fps": path.fps / proxy.each})
    source = source_of(
        footage, slower, proxy.size, output, depth_range(place), run,
        lambda number: told((number + 1) / proxy.frames),
    )  # fmt: skip
    for number in reel.shoot(source):
        stream.add(number)
    target = place.folder / "proxy.mp4"
    join(reel.chunks(), target, "mp4", proxy.rate)
    name = f"orrery-{place.seed}-proxy.mp4"
    return Kept(shelf.keep(target, MEDIA_TYPES["mp4"], name), stream.finish())


def forget_proxy(place: Place) -> None:
    """The whole is there: drop what another attempt would have needed."""
    (place.folder / "proxy.mp4").unlink(missing_ok=True)
    for segment in (place.folder / "proxy").glob("*"):
        segment.unlink(missing_ok=True)

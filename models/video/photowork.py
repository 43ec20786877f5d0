"""Films of the user's photographs: a field fitted to them, and flights around what they show."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import JsonValue

from models.core.artifacts import ArtifactStore
from models.core.capability import Run
from models.core.errors import InvalidInput, TooLarge
from models.image.schema import Quality
from models.video.backend import Floats, Footage, Lens
from models.video.fitted import FIELD, SCORE, bands_of, camera_of, field_of, kept_field
from models.video.flight import Flight, Moment
from models.video.path import CameraPath
from models.video.photos import Photos
from models.video.presets import Subject
from models.video.schema import Output, VideoRequest
from models.video.schema import Views as SeenViews
from models.video.setting import Place
from models.video.workplace import folder_name, workplace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.video.nerf.baked import BakedField
    from models.video.nerf.sources.files import Files
    from models.video.nerf.views import Views

VERSION: Final = 1
"""Of what is kept; another one is made anew."""
ITERATIONS: Final[dict[Quality, int]] = {"draft": 600, "standard": 1000, "high": 2000}
FIT_SHARE: Final = 0.3
"""Share of the progress at which the field is there."""
FARTHEST: Final = 200.0
"""Farthest place of a camera: flights may lead a few times as far, and paths end at 1000."""
ASTRAY: Final = 0.5
"""A camera that is farther from the nearest photograph's, in distances of the subject, is astray."""
SEEN_ALPHA: Final = 0.5


@dataclass(frozen=True, eq=False)
class PhotoPlace(Place):
    """What photographs show.

    Attributes:
        views: The photographs.
        key: Names the field of these photographs of this owner.
    """

    views: "Views"
    key: str

    def notes(self, path: CameraPath) -> tuple[str, ...]:
        """See `Place`: a field knows little of what no photograph was near to."""
        flight = Flight(path)
        eyes = np.array([flight.at_frame(number).pose[:3, 3] for number in range(flight.frames)])
        seen = np.array([camera.eye for camera in self.views.cameras])
        nearest = np.linalg.norm(eyes[:, None] - seen[None], axis=-1).min(1)
        astray = float(np.mean(nearest > ASTRAY * self.subject.distance_m))
        if astray == 0:
            return self.views.degraded
        far = f"{astray:.0%} of the frames are seen from far away from every photograph"
        return (*self.views.degraded, far)


def photo_place(
    photos: Photos, seed: int, folder: Path, fields: Path, store: ArtifactStore, run: Run
) -> PhotoPlace:
    """Read the photographs of a request.

    Raises:
        InvalidInput: A picture, a pose or a lens cannot be used; says which.
        TooLarge: There are too many, or too large ones.
        UnknownAsset: The caller has no such asset.
    """
    from models.video.nerf.hull import aimed_at  # noqa: PLC0415  # with the engine
    from models.video.nerf.sources.upload import views_of_files  # noqa: PLC0415

    views = views_of_files(_files(photos, run.owner, store), run.check)
    eyes = np.array([camera.eye for camera in views.cameras])
    centre, distance = aimed_at(list(views.cameras))
    if not 1e-3 < distance < FARTHEST or np.abs(eyes).max() > FARTHEST:
        raise InvalidInput(
            f"the cameras must be within {FARTHEST:.0f} of the origin and look at something in "
            f"common, at most {FARTHEST:.0f} away: scale the poses"
        )
    fov = float(np.median([camera.fov_y_deg for camera in views.cameras]))
    lowest = float(min(eyes[:, 2].min(), centre[2]))
    subject = Subject(centre, eyes[0].astype(float), min(max(fov, 5.0), 120.0), lowest)
    key = folder_name(
        {
            "version": VERSION,
            "owner": run.owner,
            "photos": photos.model_dump(mode="json"),
            "seed": seed,
        }
    )
    return PhotoPlace(subject, np.zeros((0, 2, 3)), seed, folder, fields, views, key)


class PhotoEngine:
    """The engine `nerf` for photographs."""

    def prepare(self, request: VideoRequest, place: PhotoPlace, run: Run) -> Footage:
        """Fit and bake; kept, and serves every camera among the same photographs."""
        from models.video.nerf.settings import FitSettings  # noqa: PLC0415  # with the engine

        iterations = ITERATIONS[request.quality]
        settings = FitSettings(iterations=iterations, seed=place.seed)
        part = replace(run, progress=lambda f, _: run.progress(f * FIT_SHARE, "fit"))
        with workplace(place.fields, f"{place.key}-{iterations}", run) as folder:
            found = kept_field(folder) or field_of(place.views, settings, folder, part)
        height, width = place.views.images.shape[1:3]
        seen = SeenViews(count=len(place.views.cameras), resolution=(width, height))
        return PhotoFootage(*found, seen, (folder / FIELD, folder / SCORE))


class PhotoFootage:
    """A `Footage` of photographs."""

    linear = False
    degraded: tuple[str, ...] = ()

    def __init__(
        self, field: "BakedField", psnr_db: float, views: SeenViews, kept: tuple[Path, ...]
    ) -> None:
        self._field, self.kept = field, kept
        self.views: SeenViews | None = views
        self.held_out_psnr_db: float | None = round(psnr_db, 2)

    def bands(self, moment: Moment, lens: Lens, output: Output, run: Run) -> "Iterator[Floats]":
        """See `Footage`."""
        camera = camera_of(moment, lens)
        for band in bands_of(lens.size):
            run.check()
            frame = self._field.render(camera, band)
            if output == "rgb":
                yield frame.rgb * np.float32(2 ** (moment.ev / 2.2))
                continue
            seen = np.where(frame.alpha > SEEN_ALPHA, frame.depth, 0)
            grey = frame.alpha if output == "alpha" else seen
            yield np.repeat(grey[..., None], 3, -1).astype(np.float32)


class AssetFiles:
    """Assets of an owner and some texts as a folder of files; see `Files`."""

    def __init__(
        self, assets: Mapping[str, str], texts: Mapping[str, bytes], read: Callable[[str], bytes]
    ) -> None:
        self._assets, self._texts, self._read = assets, texts, read

    def names(self) -> tuple[str, ...]:
        """See `Files`."""
        return (*self._texts, *self._assets)

    def read(self, name: str) -> bytes:
        """See `Files`."""
        if name in self._texts:
            return self._texts[name]
        if name not in self._assets:
            raise InvalidInput(f"there is no file {name!r}")
        return self._read(self._assets[name])


def _files(photos: Photos, owner: str, store: ArtifactStore) -> "Files":
    from models.video.nerf.sources.colmap import CAMERAS, IMAGES  # noqa: PLC0415  # see photo_place
    from models.video.nerf.sources.files import MAX_TOTAL_BYTES, ZipFiles  # noqa: PLC0415
    from models.video.nerf.sources.transforms import NAME  # noqa: PLC0415

    def read(asset_id: str) -> bytes:
        return b"".join(store.read(asset_id, owner))

    if photos.archive is not None:
        return ZipFiles(read(photos.archive))
    assets: dict[str, str] = {}
    total = 0
    for photo in photos.images:
        asset = store.stat(photo.asset_id, owner).asset
        total += asset.size_bytes
        name = PurePosixPath(photo.name or asset.filename).name
        if name in assets:
            raise InvalidInput(f"two images are named {name!r}: give each a name of its own")
        assets[name] = photo.asset_id
    if total > MAX_TOTAL_BYTES:
        raise TooLarge(f"the photographs have more than {MAX_TOTAL_BYTES >> 20} MiB together")
    if photos.colmap is not None:
        texts = {CAMERAS: photos.colmap.cameras.encode(), IMAGES: photos.colmap.images.encode()}
    else:
        texts = {NAME: json.dumps(_by_last_part(photos.transforms or {})).encode()}
    return AssetFiles(assets, texts, read)


def _by_last_part(transforms: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The same with pictures named as they were uploaded, without the folders they lay in."""
    made = dict(transforms)
    frames = made["frames"]
    assert isinstance(frames, list)  # noqa: S101  # validated
    made["frames"] = [
        {**frame, "file_path": PurePosixPath(str(frame["file_path"])).name}
        for frame in frames
        if isinstance(frame, dict)
    ]
    for name in ("test_filenames", "val_filenames"):
        said = made.get(name)
        if isinstance(said, list):
            made[name] = [PurePosixPath(str(each)).name for each in said]
    return made

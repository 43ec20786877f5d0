"""The user's own photographs in a request: which files, and where each was taken from."""

from pathlib import PurePosixPath
from typing import Annotated, Final, Self, TypeAlias

from pydantic import Field, JsonValue, model_validator

from models.core.capability import Value

MIN_PHOTOS: Final = 4
MAX_PHOTOS: Final = 300
MAX_CAMERAS_CHARACTERS: Final = 100_000
MAX_IMAGES_CHARACTERS: Final = 4_000_000
NO_POSES: Final = (
    "photographs alone do not say where they were taken from, and poses are not estimated here: "
    "give transforms (a transforms.json of nerfstudio, instant-ngp or Blender) or colmap (a text "
    "model), as nerfstudio's ns-process-data or COLMAP make them"
)

AssetId: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Photo(Value):
    """One photograph: an asset of the caller's, PNG, JPEG or WebP."""

    asset_id: AssetId
    name: str | None = Field(
        None, min_length=1, max_length=200, description="as the poses name it; else its filename"
    )


class ColmapText(Value):
    """A sparse model of COLMAP as text; `points3D.txt` is not needed."""

    cameras: str = Field(max_length=MAX_CAMERAS_CHARACTERS, description="cameras.txt")
    images: str = Field(max_length=MAX_IMAGES_CHARACTERS, description="images.txt")


class Photos(Value):
    """Photographs with the poses they were taken from: an archive, or files one by one."""

    archive: AssetId | None = Field(
        None, description="ZIP of the pictures with transforms.json or a COLMAP text model"
    )
    images: tuple[Photo, ...] = Field((), max_length=MAX_PHOTOS)
    transforms: dict[str, JsonValue] | None = Field(
        None,
        description="content of transforms.json; pictures are found by the last part of a name",
    )
    colmap: ColmapText | None = None

    @model_validator(mode="after")
    def _has_poses(self) -> Self:
        if self.archive is not None:
            if self.images or self.transforms is not None or self.colmap is not None:
                raise ValueError("an archive holds the pictures and their poses: give it alone")
            return self
        if len(self.images) < MIN_PHOTOS:
            raise ValueError(f"give an archive, or at least {MIN_PHOTOS} images")
        if (self.transforms is None) == (self.colmap is None):
            raise ValueError(NO_POSES if self.colmap is None else "give transforms or colmap")
        named = [PurePosixPath(photo.name).name for photo in self.images if photo.name]
        if len(set(named)) < len(named):
            raise ValueError("two images have the same name")
        if self.transforms is not None:
            _check_frames(self.transforms.get("frames"))
        return self


def _check_frames(frames: JsonValue) -> None:
    """Refuse what cannot be a list of posed pictures, before anything is queued."""
    if not isinstance(frames, list) or not MIN_PHOTOS <= len(frames) <= MAX_PHOTOS:
        raise ValueError(f"transforms needs frames, a list of {MIN_PHOTOS} to {MAX_PHOTOS}")
    for number, frame in enumerate(frames):
        if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
            raise ValueError(f"transforms/frames/{number} needs a file_path")  # noqa: TRY004  # pydantic's
        rows = frame.get("transform_matrix")
        if not (isinstance(rows, list) and len(rows) in (3, 4) and all(map(_is_row, rows))):
            raise ValueError(
                f"transforms/frames/{number}/transform_matrix needs 3 or 4 rows of 4 numbers"
            )


def _is_row(row: JsonValue) -> bool:
    return isinstance(row, list) and len(row) == 4 and all(isinstance(n, int | float) for n in row)

"""A caller's ZIP archive of posed photographs."""

from collections.abc import Callable
from pathlib import PurePosixPath

from models.core.errors import InvalidInput
from models.video.nerf.sources.colmap import CAMERAS, IMAGES, views_of_colmap
from models.video.nerf.sources.files import Files, ZipFiles
from models.video.nerf.sources.transforms import NAME, views_of_transforms
from models.video.nerf.views import Views


def views_of_upload(content: bytes, check: Callable[[], None]) -> Views:
    """Views of an archive that holds a `transforms.json` or a COLMAP text model, and pictures.

    Args:
        content: The archive.
        check: Called between pictures.

    Raises:
        InvalidInput: It holds neither, or something in it cannot be used.
        TooLarge: It holds too much.
    """
    return views_of_files(ZipFiles(content), check)


def views_of_files(files: Files, check: Callable[[], None]) -> Views:
    """See `views_of_upload`; the outermost description wins."""
    names = sorted(files.names(), key=lambda name: (name.count("/"), name))
    for name in names:
        if PurePosixPath(name).name == NAME:
            return views_of_transforms(files, name, check)
    for name in names:
        folder = PurePosixPath(name).parent.as_posix()
        if PurePosixPath(name).name == CAMERAS and (
            (PurePosixPath(folder) / IMAGES).as_posix() in files.names()
        ):
            return views_of_colmap(files, folder, check)
    raise InvalidInput(
        f"the archive holds neither a {NAME} nor a COLMAP text model ({CAMERAS}, {IMAGES}): "
        "pictures alone do not say where they were taken from"
    )

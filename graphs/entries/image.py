"""What the image capability serves."""

from typing import Final

from graphs.entry import Entry, Table
from models.image.fine_tune import (
    AdaptersRequest,
    AdaptersResult,
    FineTuneRequest,
    FineTuneResult,
)
from models.image.geometry_schema import GeometryRequest, GeometryResult
from models.image.schema import ImageRequest, ImageResult, StyleCard
from models.image.styles import style_cards
from models.image.wishes import geometry_wish, lesson_wish, picture_wish

ENTRIES: Final[tuple[Entry, ...]] = (
    Entry(
        name="image",
        title="Text to image: a path-traced scene of what the prompt describes",
        route="/api/v1/generate/image",
        model="models.image.model:ImageModel",
        request=ImageRequest,
        result=ImageResult,
        deterministic=True,
        example={"prompt": "a chrome teapot next to two red apples on a wooden table", "seed": 7},
        home=ImageRequest.home,
        asks=picture_wish,
        tables={"styles": Table(StyleCard, style_cards)},
    ),
    Entry(
        name="image_fine_tunes",
        title="Teach a diffusion model a subject from a few photos (DreamBooth)",
        route="/api/v1/image/fine-tunes",
        model="models.image.model:ImageModel",
        request=FineTuneRequest,
        result=FineTuneResult,
        deployment="image",
        deterministic=True,
        durable=True,
        asks=lesson_wish,
        needs="a checkpoint, and photos that are the caller's",
        example={
            "photos": [{"asset_id": f"{number:064x}"} for number in range(4)],
            "instance": "sks dog",
            "kind": "dog",
            "prior_pictures": 8,
        },
    ),
    Entry(
        name="image_adapters",
        title="Adapters for diffusion models: the installed ones and the caller's own",
        route="/api/v1/image/adapters",
        method="GET",
        model="models.image.model:ImageModel",
        request=AdaptersRequest,
        result=AdaptersResult,
        deployment="image",
        example={},
    ),
    Entry(
        name="image_geometry",
        title="Depth, normals, a relief and new light for a picture",
        route="/api/v1/image/geometry",
        model="models.image.model:ImageModel",
        request=GeometryRequest,
        result=GeometryResult,
        deployment="image",
        deterministic=True,
        asks=geometry_wish,
        needs="a checkpoint, and a picture that is the caller's",
        example={"image": {"asset_id": "0" * 64}, "outputs": ["depth", "relief"]},
    ),
)

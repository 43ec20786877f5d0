"""What the video capability serves."""

from typing import Final

from graphs.entry import Entry, Table
from models.video.cost import estimate as estimate_video
from models.video.offer import EngineCard, Resolution, engine_cards, film_wish, resolutions
from models.video.schema import PathRequest, PathResult, VideoRequest, VideoResult

ENTRIES: Final[tuple[Entry, ...]] = (
    Entry(
        name="video",
        title="Text to video: a camera flies through the scene of a prompt, up to 8K",
        route="/api/v1/generate/video",
        model="models.video.model:VideoModel",
        request=VideoRequest,
        result=VideoResult,
        deterministic=True,
        durable=True,
        estimate=estimate_video,
        asks=film_wish,
        example={
            "scene": {"objects": [{"shape": "cube", "color": "#c03030"}]},
            "camera": {"preset": "orbit"},
            "engine": "path-trace",
            "width": 128,
            "height": 72,
            "fps": 8,
            "duration_s": 0.5,
            "seed": 7,
        },
        tables={
            "resolutions": Table(Resolution, resolutions),
            "engines": Table(EngineCard, engine_cards),
        },
    ),
    Entry(
        name="video_path",
        title="The path of a clip as keyframes and as a picture, and what the clip would take",
        route="/api/v1/video/path",
        deployment="video",
        model="models.video.model:VideoModel",
        request=PathRequest,
        result=PathResult,
        deterministic=True,
        example={
            "video": {
                "scene": {"objects": [{"shape": "cube", "color": "#c03030"}]},
                "camera": {"preset": "spiral"},
                "seed": 7,
            }
        },
    ),
)

"""What the styles are called in the captions that diffusion models learned from."""

from collections.abc import Mapping

from models.image.schema import StyleName

WORDS: Mapping[StyleName, str] = {
    "photo": "",
    "studio": "studio photograph, plain backdrop, soft light",
    "clay": "clay render, matte white clay, ambient occlusion",
    "noir": "film noir, black and white, hard shadows, high contrast",
    "golden-hour": "golden hour, low warm sunlight, long shadows",
    "moonlight": "at night, moonlight, blue tones",
    "pastel": "pastel colors, soft and bright",
    "vivid": "vivid saturated colors",
    "toy": "plastic toy, miniature",
    "porcelain": "glazed white porcelain",
    "gilded": "polished gold",
    "crystal": "cut crystal, refraction, caustics",
    "vintage": "vintage photograph, faded colors, film grain",
}


def styled(prompt: str, style: StyleName) -> str:
    """The prompt followed by the words of a style."""
    return ", ".join(part for part in (prompt.strip(), WORDS[style]) if part)

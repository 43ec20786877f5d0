"""Word lists of the training captions' grammar; alternatives are separated by bars."""

INVERSE = {
    "left": "right", "right": "left", "front": "behind", "behind": "front", "on": "under",
    "under": "on", "near": "near", "between": "flanks", "flanks": "between",
}  # fmt: skip
TO = {
    "left": "to the left of|left of|on the left side of|at the left of|on the left of",
    "right": "to the right of|right of|on the right side of|at the right of|on the right of",
    "front": "in front of|before|ahead of|in the foreground of",
    "behind": "behind|at the back of|in back of|beyond",
    "on": "on top of|on|upon|atop|onto|above",
    "under": "under|beneath|below|underneath",
    "near": "next to|beside|near|close to|by|alongside|adjacent to|near to",
}
ASIDE = {
    "left": "on its left|to its left|on the left|left of it|to the left|at its left side",
    "right": "on its right|to its right|on the right|right of it|to the right|at its right side",
    "front": "in front of it|in front|before it|in the foreground",
    "behind": "behind it|in the background|at the back|at its back",
    "on": "on top of it|on it|on top|atop it|upon it",
    "under": "under it|beneath it|underneath",
    "near": "next to it|beside it|near it|close by|nearby|alongside it|close to it",
}
SIDES = {
    "left": "at the left|on the left side|to the left|at left|leftmost", "right": "at the right|on the right side|to the right|at right",
    "front": "in front|in the foreground|nearer|at the front", "behind": "in the back|in the background|further back|at the back",
}  # fmt: skip
VERBS = (
    "is", "is", "stands", "sits", "lies", "rests", "is placed", "is standing", "is located", "appears",
    "has been put", "is positioned", "is lying", "waits", "can be seen", "is resting", "is sitting",
)  # fmt: skip
OPENINGS = (
    "a photo of", "a picture of", "an image of", "a 3d render of", "render", "draw", "show me", "please draw",
    "there is", "i want", "imagine", "generate", "create an image with", "a scene with", "we see",
    "a still life with", "a rendering of", "make me", "picture", "a painting of", "an illustration of", "here is",
    "i would like to see", "a photograph showing", "could you draw", "a scene containing", "photo:", "paint",
)  # fmt: skip
STYLES = (
    "highly detailed", "4k", "8k", "photorealistic", "realistic", "beautiful", "cinematic", "high quality", "trending",
    "sharp focus", "masterpiece", "octane render", "minimalist", "please", "depth of field", "award winning", "hdr",
    "elegant composition", "unreal engine", "soft shadows", "in the style of a catalogue", "dreamy", "artstation",
)  # fmt: skip

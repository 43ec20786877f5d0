"""Closed classes of English that a scene description draws on."""

RELATIONS = ("left", "right", "front", "behind", "on", "near", "between")
ARRANGEMENTS = ("row", "stack", "circle")
PLACING: dict[str, str] = {
    "left": "left|to the left of|left of|on the left of|on the left side of|to the left|leftmost|left side of|on the left side|at the left|at left|on the left",
    "right": "right|to the right of|right of|on the right of|on the right side of|to the right|rightmost|right side of|on the right side|at the right|at right|on the right",
    "front": "in front of|before|ahead of|in front|front of|front|in the foreground|foreground|at the front|nearer",
    "behind": "behind|at the back of|in back of|beyond|at the rear of|back|in the background|rear|further back|in the back",
    "on": "on|on top of|upon|atop|onto|on top|top of|over|above",
    "under": "under|beneath|below|underneath",
    "near": "next to|beside|near|close to|by|alongside|adjacent to|nearby|near to|by the side of|side by side|together with",
    "between": "between|in between|in the middle of|flanked by|amid|sandwiched between|in the middle|on either side of|either side|surrounded by",
    "row": "row|in a row|in a line|lined up|line of|row of|side by side in a row|queue of",
    "stack": "stack|stack of|stacked|pile of|pile|piled up|piled|stacked up|on top of each other|on top of one another|one on top of the other",
    "circle": "in a circle|circle of|in a ring|arranged in a circle|around in a circle",
}  # fmt: skip
PLACING_NAMES = tuple(PLACING)

NUMBERS: dict[int, str] = {
    1: "one|1|single|lone|a single|solitary",
    2: "two|2|pair|a pair of|couple|a couple of|both|twin|pair of",
    3: "three|3|trio|a trio of|some|a few|few|triplet",
    4: "four|4|several|quartet",
    5: "five|5",
    6: "six|6|half a dozen|many|a dozen|dozen|lots of|a bunch of|seven|eight|nine|ten|7|8|9|10|12",
}
MAX_COUNT = max(NUMBERS)

SIZES: dict[str, tuple[float, str]] = {
    "small": (0.62, "small|tiny|little|miniature|mini|petite|short|wee|smallish"),
    "large": (1.5, "large|big|huge|giant|enormous|gigantic|oversized|massive|tall|great|large sized"),
}  # fmt: skip
SIZE_NAMES = tuple(SIZES)
SIZE_FACTORS = tuple(factor for factor, _ in SIZES.values())

LIGHTS: dict[str, str] = {
    "sun": "sunlight|sunny|bright sunlight|in the sun|noon|at noon|midday|sunny day|on a sunny day|in bright sunlight|direct sun|daytime|sunlit|harsh sun|sunshine|summer day",
    "sky": "overcast|overcast sky|cloudy|cloudy day|on a cloudy day|soft daylight|daylight|cloudy sky|diffuse light|soft light|open sky|under an overcast sky|outdoors|outside|ambient light",
    "studio": "studio|in a studio|studio lighting|softbox|softboxes|studio light|product photo|product shot|studio lights|studio lit|photo studio|indoors|lit by softboxes|three point lighting",
    "sunset": "sunset|at sunset|golden hour|at golden hour|dusk|at dusk|evening light|sunrise|dawn|at dawn|evening|in the evening|warm light|late afternoon|twilight|low sun|in the golden hour",
    "night": "night|at night|moonlight|in the moonlight|in the dark|moonlit|midnight|by night|nighttime|darkness|starlight|dark night|under the moon|under the stars|night sky",
}  # fmt: skip
LIGHT_NAMES = tuple(LIGHTS)

VIEWS: dict[str, str] = {
    "above": "from above|seen from above|top down|bird's eye view|bird's eye|overhead|aerial|aerial view|from the top|seen from the top|high angle|top view|from overhead|overhead view|overhead shot|bird eye view",
    "low": "low angle|from a low angle|from below|eye level|at eye level|worm's eye view|ground level|low viewpoint|from ground level|low angle shot",
    "close": "close up|closeup|close up of|macro|in close view|extreme close up|detail shot|zoomed in|close view|close up view|tight shot|macro shot",
    "wide": "wide shot|wide angle|from far away|far away|long shot|from afar|distant view|wide view|zoomed out|from a distance|distant|wide angle shot",
}  # fmt: skip
VIEW_NAMES = tuple(VIEWS)

GROUNDS: dict[str, str] = {
    "": "floor|ground|surface|carpet|rug|backdrop|background|tabletop|flooring|pavement",
    "#6f9450": "grass|lawn|meadow|field|green grass",
    "#d9c29a": "sand|beach|desert|dune|dunes",
    "#eef3f7": "snow|snowy ground|snowy field",
    "#4583a3": "water|sea|lake|ocean|river|pond",
    "#5c5c60": "asphalt|road|street|tarmac",
    "#7a5a40": "dirt|soil|mud|earth",
}

# lightness added, factor on chroma
SHADES: dict[str, tuple[float, float]] = {
    "light": (0.12, 0.85), "lighter": (0.12, 0.85), "pale": (0.14, 0.6), "pastel": (0.15, 0.5),
    "dark": (-0.14, 0.9), "darker": (-0.14, 0.9), "deep": (-0.1, 1.05), "bright": (0.04, 1.12),
    "vivid": (0.0, 1.15), "intense": (0.0, 1.15), "neon": (0.08, 1.25), "muted": (0.0, 0.55),
    "dusty": (0.02, 0.5), "soft": (0.08, 0.6), "rich": (-0.05, 1.1), "faded": (0.08, 0.5),
}  # fmt: skip

STOP_WORDS = frozenset((
    "3d", "a", "about", "against", "all", "along", "also", "am", "an", "and", "another", "any", "are",
    "around", "as", "at", "back", "be", "been", "being", "bit", "both", "bottom", "but", "by", "can", "cg",
    "cgi", "color", "colored", "colors", "colour", "coloured", "colours", "consisting", "containing", "could",
    "create", "depict", "depicting", "did", "display", "do", "does", "down", "draw", "drawing", "each",
    "else", "exactly", "extremely", "fairly", "featured", "featuring", "find", "finds", "finish", "first",
    "for", "former", "found", "from", "front", "generate", "get", "give", "had", "has", "have", "having",
    "he", "her", "here", "his", "how", "hue", "i", "i'd", "i'll", "i'm", "if", "illustration", "image",
    "imagine", "in", "includes", "including", "into", "is", "it", "it'll", "it's", "its", "just", "kind",
    "latter", "let", "let's", "lies", "like", "look", "looking", "looks", "love", "made", "make", "makes",
    "making", "material", "may", "me", "might", "more", "most", "much", "must", "my", "need", "no", "not",
    "number", "object", "objects", "of", "off", "on", "one", "one's", "ones", "only", "or", "other", "others",
    "our", "out", "over", "own", "paint", "painting", "part", "per", "photo", "photograph", "picture",
    "place", "placed", "please", "plus", "put", "quite", "rather", "really", "render", "rendering", "rest",
    "same", "scene", "second", "see", "seen", "set", "shade", "shades", "shall", "she", "shot", "should",
    "show", "showing", "shown", "side", "sits", "slightly", "so", "some", "somewhat", "sort", "stands",
    "such", "surface", "texture", "textured", "than", "that", "that's", "the", "their", "them", "then",
    "there", "there's", "these", "they", "thing", "things", "third", "this", "those", "through", "to", "tone",
    "toned", "too", "top", "total", "type", "up", "us", "very", "view", "want", "was", "way", "we", "well",
    "were", "what", "when", "where", "which", "while", "who", "whose", "will", "with", "within", "without",
    "would", "you", "your",
))  # fmt: skip
# forms of "leave", which say nothing of a side
VERB_PHRASES = frozenset({"has left", "have left", "had left", "having left", "been left"})

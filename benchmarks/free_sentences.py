"""Sentences written by hand, each with the objects, colours and relation that it must yield."""

from benchmarks.scene_prompts import Case, Expected

_E = Expected
FREE_SENTENCES: tuple[Case, ...] = (
    Case("a red apple on a wooden table", (_E("sphere", "apple", 1, "red"), _E("table", "table", 1, None, "wood")), (0, "on", (1,))),
    Case("a chrome teapot on a wooden table next to two red apples", (_E("teapot", "teapot", 1, None, "chrome"), _E("table", "table", 1, None, "wood"), _E("sphere", "apple", 2, "red")), (0, "on", (1,))),
    Case("Little yellow house with a big green tree beside it, golden hour", (_E("house", "house", 1, "yellow"), _E("tree", "tree", 1, "green")), (1, "near", (0,))),
    Case("three chrome balls", (_E("sphere", "ball", 3, None, "chrome"),)),
    Case("The car is blue. The house behind it is white.", (_E("car", "car", 1, "blue"), _E("house", "house", 1, "white")), (1, "behind", (0,))),
    Case("product photo of a matte black bottle", (_E("bottle", "bottle", 1, "black", "matte"),)),
    Case("two candles, a vase and an old leather book at night", (_E("candle", "candle", 2), _E("vase", "vase"), _E("book", "book", 1, None, "leather"))),
    Case("a snowman between two pine trees", (_E("snowman", "snowman"), _E("tree", "pine", 2)), (0, "between", (1,))),
    Case("a tall marble column with a golden ball on top", (_E("column", "column", 1, None, "marble"), _E("sphere", "ball", 1, None, "gold")), (1, "on", (0,))),
    Case("pink heart-shaped... no, just a pink heart made of glass", (_E("heart", "heart", 1, "pink", "glass"),)),
    Case("five tiny mushrooms in the grass, close-up", (_E("mushroom", "mushroom", 5),)),
    Case("A mug. Make it turquoise, ceramic, and put it on a stack of books.", (_E("mug", "mug", 1, "turquoise", "ceramic"), _E("book", "book", 3)), (0, "on", (1,))),
    Case("rocket standing in front of a purple pyramid, seen from a low angle", (_E("rocket", "rocket"), _E("pyramid", "pyramid", 1, "purple")), (0, "front", (1,))),
    Case("glass cube and a frosted sphere, studio lighting", (_E("cube", "cube", 1, None, "glass"), _E("sphere", "sphere", 1, None, "frosted"))),
    Case("an orange boat to the right of a lighthouse", (_E("boat", "boat", 1, "orange"), _E("tower", "lighthouse")), (0, "right", (1,))),
    Case("Is it possible to get a silver star above a navy crate?", (_E("star", "star", 1, None, "silver"), _E("crate", "crate", 1, "navy")), (0, "on", (1,))),
    Case("wine barrel, four mugs and a bench outside a tavern", (_E("barrel", "barrel"), _E("mug", "mug", 4), _E("bench", "bench"), _E("house", "tavern"))),
    Case("An hourglass stands to the left of a lamp; both are bronze.", (_E("hourglass", "hourglass", 1, None, "bronze"), _E("lamp", "lamp", 1, None, "bronze")), (0, "left", (1,))),
    Case("I want one green chair and one red chair", (_E("chair", "chair", 2),)),
    Case("six blue dice", (_E("cube", "dice", 6, "blue"),)),
    Case("a cat sitting on a red chair", (_E("egg", "cat"), _E("chair", "chair", 1, "red")), (0, "on", (1,))),
    Case("emerald green gem resting on a black stone plate", (_E("gem", "gem", 1, "emerald green"), _E("plate", "plate", 1, "black", "stone")), (0, "on", (1,))),
    Case("There's a stool under the arch and a barrel near the stool", (_E("stool", "stool"), _E("arch", "arch"), _E("barrel", "barrel")), (2, "near", (0,))),
    Case("a lime torus leaning against a magenta cone", (_E("torus", "torus", 1, "lime"), _E("cone", "cone", 1, "magenta"))),
    Case("ancient stone stairs leading to a white temple in bright sunlight", (_E("stairs", "stairs", 1, None, "stone"), _E("house", "temple", 1, "white"))),
    Case("dumbbell, rubber, red", (_E("dumbbell", "dumbbell", 1, "red", "rubber"),)),
    Case("A wooden bowl holding three eggs", (_E("bowl", "bowl", 1, None, "wood"), _E("egg", "egg", 3))),
    Case("Give me a scene where a teal mug sits behind a plate", (_E("mug", "mug", 1, "teal"), _E("plate", "plate")), (0, "behind", (1,))),
    Case("a bench, a lamp to its left and a tree to its right", (_E("bench", "bench"), _E("lamp", "lamp"), _E("tree", "tree")), (1, "left", (0,))),
    Case("crimson vase with white tulips? no flowers, only the crimson vase", (_E("vase", "vase", 1, "crimson"),)),
)  # fmt: skip

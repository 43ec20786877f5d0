import pytest

from models.core.weights import load_weights
from models.image.scene import SceneDiffusion
from models.image.scene.captions import CaptionWriter
from models.image.scene.lexicon import Lexicon
from models.image.train import Plan, train

TINY = Plan(
    captions=24, reader_steps=2, reader_batch=2, scenes=12, denoiser_steps=2, denoiser_batch=4
)


@pytest.fixture(scope="module")
def model() -> SceneDiffusion:
    return SceneDiffusion.load()


def test_training_saves_both_networks_under_their_hash(tmp_path, model):
    digest = train(tmp_path, plan=TINY, units=model._interpreter._units)
    tensors, found = load_weights(tmp_path, "scene_diffusion.safetensors")

    assert found == digest
    assert {name.partition(".")[0] for name in tensors} == {"reader", "denoiser"}


def test_captions_are_seeded():
    lexicon = Lexicon()
    first, second = (CaptionWriter(lexicon, 9) for _ in range(2))

    assert [first.draw().text for _ in range(20)] == [second.draw().text for _ in range(20)]


def test_marks_point_at_the_words_they_speak_of():
    lexicon, writer = Lexicon(), CaptionWriter(Lexicon(), 2)
    captions = [writer.draw() for _ in range(300)]

    nouns = [
        next(u for u in lexicon.split(c.text) if u.start <= m.start < u.end)
        for c in captions
        for m in c.marks
        if m.kind == "n" and m.groups != (-1,)
    ]
    named = [unit.entry is not None and unit.entry.kind == "object" for unit in nouns]
    assert sum(named) / len(named) > 0.99


def test_no_caption_asks_for_more_than_six_objects():
    writer = CaptionWriter(Lexicon(), 3)

    assert all(sum(g.count for g in writer.draw().groups) <= 6 for _ in range(300))

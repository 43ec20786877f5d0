import numpy as np
import torch

from models.image.scene.fields import conditions, decode, encode
from models.image.scene.staging import Stager


def test_scenes_survive_the_way_through_arrays():
    stager = Stager(3)
    briefs = [stager.brief() for _ in range(20)]
    staged = [stager.stage(brief) for brief in briefs]

    fields = encode(briefs, staged)

    for row, (brief, scene) in enumerate(zip(briefs, staged, strict=True)):
        back = decode(brief, fields.objects[row], fields.stage[row])
        assert np.allclose(back.colors, scene.colors, atol=1e-5)
        assert np.allclose(back.positions, scene.positions, atol=1e-5)
        assert np.allclose(back.sizes_m, scene.sizes_m, atol=1e-5)
        assert back.surfaces == scene.surfaces
        assert back.light == scene.light
        assert abs(back.elevation_deg - scene.elevation_deg) < 1e-3


def test_conditions_mark_who_is_there():
    stager = Stager(4)
    briefs = [stager.brief() for _ in range(8)]

    present = conditions(briefs).present

    assert present.sum(1).tolist() == [len(brief.objects) for brief in briefs]


def test_staging_is_seeded():
    first, second = (Stager(5) for _ in range(2))

    assert torch.equal(
        encode([b := first.brief()], [first.stage(b)]).objects,
        encode([b := second.brief()], [second.stage(b)]).objects,
    )

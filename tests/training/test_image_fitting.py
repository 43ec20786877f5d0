from dataclasses import replace

import pytest
import torch

from models.image.scene.denoiser import SceneDenoiser
from models.image.scene.denoiser_course import denoiser_course, staged_scenes
from models.image.scene.fitting import fit


@pytest.fixture(scope="module")
def scenes():
    return staged_scenes(24, 0)


def fresh(scenes, interrupt_at=None):
    torch.manual_seed(0)
    net = SceneDenoiser(width=16, layers=1, heads=2)
    course = replace(denoiser_course(net, scenes, 0, 6, batch=8), checkpoint_steps=2)
    loss = course.loss

    def interrupted(step):
        if step == interrupt_at:
            raise InterruptedError
        return loss(step)

    return net, replace(course, loss=interrupted)


def test_resumed_training_gives_the_weights_of_an_uninterrupted_one(scenes, tmp_path):
    whole, course = fresh(scenes)
    fit(whole, course, tmp_path / "whole", 0, resume=False, stop_at_s=float("inf"))
    broken, course = fresh(scenes, interrupt_at=3)
    with pytest.raises(InterruptedError):
        fit(broken, course, tmp_path / "parts", 0, resume=False, stop_at_s=float("inf"))
    resumed, course = fresh(scenes)

    assert fit(resumed, course, tmp_path / "parts", 0, resume=True, stop_at_s=float("inf"))

    for expected, found in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(expected, found)


def test_training_stops_with_a_checkpoint_when_its_time_is_spent(scenes, tmp_path):
    net, course = fresh(scenes)

    assert not fit(net, course, tmp_path, 0, resume=False, stop_at_s=0)
    assert (tmp_path / "denoiser.checkpoint.safetensors").exists()

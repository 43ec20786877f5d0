import json
import shutil

import pytest

from models.core.errors import ModelUnavailable
from models.image.scene import SceneDiffusion
from models.image.scene.composer import WEIGHTS


def shapes(composition):
    return [thing.shape for thing in composition.scene.objects]


def test_the_same_prompt_and_seed_give_the_same_scene(model):
    prompt = "a blue boat next to three trees at sunset"

    assert model.compose(prompt, 7) == model.compose(prompt, 7)


def test_other_seeds_give_other_scenes(model):
    scenes = {
        model.compose("a chair and a table", seed).scene.model_dump_json() for seed in range(5)
    }

    assert len(scenes) == 5


def test_objects_come_in_the_order_of_mention(model):
    found = shapes(model.compose("a red cube, two blue spheres and a cone", 1))

    assert found == ["cube", "sphere", "sphere", "cone"]


def test_a_hex_code_is_the_colour(model):
    assert model.compose("a #12ab9f teapot", 0).scene.objects[0].color == "#12ab9f"


def test_colours_go_to_their_own_objects(model):
    red, blue = model.compose("a #ff0000 cube to the left of a #0000ff sphere", 3).scene.objects

    assert (red.color, blue.color) == ("#ff0000", "#0000ff")
    assert red.position[0] < blue.position[0]


def test_what_rests_on_something_says_so(model):
    objects = model.compose("a candle on top of a wooden table", 2).scene.objects

    assert objects[0].on == 1
    assert objects[0].position == pytest.approx(objects[1].position, abs=0.2)


def test_light_and_camera_are_obeyed(model):
    scene = model.compose("a house at night, seen from above", 4).scene

    assert scene.light == "night"
    assert scene.camera.elevation_deg > 50


def test_unstated_cameras_stay_in_the_pleasant_range(model):
    cameras = [model.compose("a green bottle", seed).scene.camera for seed in range(8)]

    assert all(12 <= camera.elevation_deg <= 32 for camera in cameras)
    assert all(abs(camera.azimuth_deg) <= 15 for camera in cameras)


def test_metals_name_their_own_colour(model):
    thing = model.compose("a golden star", 0).scene.objects[0]

    assert thing.material.metallic == 1
    assert thing.color == "#ffc94d"


def test_words_outside_the_vocabulary_are_mapped_and_reported(model):
    composition = model.compose("a green automobile", 0)

    assert shapes(composition) == ["car"]
    assert [(m.word, m.used) for m in composition.mapped] == [("automobile", "car")]


def test_objects_drawn_as_another_shape_are_reported(model):
    composition = model.compose("an apple", 0)

    assert [(m.word, m.used) for m in composition.mapped] == [("apple", "sphere")]


def test_style_words_are_reported_as_ignored(model):
    assert set(model.compose("a blue vase, highly detailed", 0).ignored) == {"highly", "detailed"}


def test_a_prompt_without_objects_still_gives_a_scene(model):
    composition = model.compose("?!", 0)

    assert len(composition.scene.objects) == 1
    assert len(composition.mapped) == 1


@pytest.mark.parametrize("prompt", ["", "\n", "🙂", "x" * 1000, "red " * 200, "a cube " * 140])
def test_no_prompt_breaks_it(model, prompt):
    assert 1 <= len(model.compose(prompt, 0).scene.objects) <= 8


def test_weights_are_named_by_their_hash(model):
    manifest = json.loads((WEIGHTS / "manifest.json").read_text())

    assert model.weights_sha256 == manifest["files"]["scene_diffusion.safetensors"]["sha256"]


def test_tampered_weights_are_refused(tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    path = folder / "scene_diffusion.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(ModelUnavailable, match="manifest"):
        SceneDiffusion.load(folder)


def test_missing_weights_are_refused(tmp_path):
    with pytest.raises(ModelUnavailable, match="train"):
        SceneDiffusion.load(tmp_path)


def test_a_noun_brings_its_usual_material_and_size(model):
    apple = model.compose("a red apple", 3).scene.objects[0]
    ball = model.compose("a large red chrome apple", 3).scene.objects[0]

    assert apple.material.clearcoat > 0
    assert apple.material.transmission == 0
    assert ball.material.metallic == 1
    assert apple.size_m < 0.8 * ball.size_m

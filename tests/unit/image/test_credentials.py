"""Every file says where it comes from, and stays the file that it was."""

import io
import xml.etree.ElementTree as ET
from pathlib import Path

import imagecodecs
import numpy as np
import OpenEXR
import pytest
from PIL import Image

from models.core.artifacts import Provenance
from models.core.xmp import NAMESPACE, packet
from models.image.picture_files import encode_picture
from models.image.render.encode import encode, pq
from models.image.render.rendering import Rendering
from models.image.schema import Format
from models.image.styles import style_named

PHOTO = style_named("photo")
ORIGIN = Provenance(
    capability="image", backend="stylegan3", model='a "quoted" <model> & more', seed=7,
    prompt_sha256="ab" * 32, inputs=("cd" * 32,),
)  # fmt: skip
XMP = packet(ORIGIN)


@pytest.fixture(scope="module")
def rendering() -> Rendering:
    light = (np.random.default_rng(0).random((32, 48, 3)) * 6).astype(np.float32)
    guide = np.clip(light, 0, 1)
    return Rendering(light, guide, guide, light[..., 0], 0.9, 1, "scalar_rgb", True, {})


def test_the_packet_is_rdf_that_says_how_the_file_was_made() -> None:
    text = XMP.decode()
    body = text[text.index("<x:") : text.rindex("<?xpacket")]
    (description,) = ET.fromstring(body).iter(  # noqa: S314 - our own
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )

    said = {name.removeprefix(f"{{{NAMESPACE}}}"): value for name, value in description.items()}
    assert said["model"] == 'a "quoted" <model> & more'
    assert said["seed"] == "7"
    assert said["inputs"] == "cd" * 32
    kind = said["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"]
    assert kind.endswith("/compositeWithTrainedAlgorithmicMedia")


@pytest.mark.parametrize("file_format", ["png", "jpeg", "avif", "ultrahdr"])
def test_readers_of_pictures_find_it(rendering: Rendering, file_format: Format) -> None:
    content, _, _ = encode(rendering, PHOTO, file_format, XMP)
    bare, _, _ = encode(rendering, PHOTO, file_format)

    with Image.open(io.BytesIO(content)) as image, Image.open(io.BytesIO(bare)) as plain:
        found = image.info["xmp"]
        assert (found if isinstance(found, bytes) else found.encode()) == XMP
        assert image.convert("RGB").tobytes() == plain.convert("RGB").tobytes()


def test_the_second_picture_of_a_jpeg_for_hdr_is_still_found(rendering: Rendering) -> None:
    content, _, _ = encode(rendering, PHOTO, "ultrahdr", XMP)
    bare, _, _ = encode(rendering, PHOTO, "ultrahdr")

    lit = imagecodecs.ultrahdr_decode(content)

    np.testing.assert_array_equal(lit, imagecodecs.ultrahdr_decode(bare))
    assert lit[..., :3].max() > 2
    # Each picture begins and ends where the index of the file says.
    with Image.open(io.BytesIO(content)) as image:
        entries = image.mpinfo[0xB002]
    size, offset = entries[0]["Size"], entries[1]["DataOffset"]
    base = content.index(b"MPF\x00") + 4
    assert content[size - 2 : size] == b"\xff\xd9"
    assert content[base + offset : base + offset + 2] == b"\xff\xd8"


def test_ten_bits_hold_light_beyond_white(rendering: Rendering) -> None:
    white = np.ones((16, 16, 3), np.float32)
    bright = Rendering(white * 4, white, white, white[..., 0], 1.0, 1, "scalar_rgb", True, {})

    content, media_type, _ = encode(bright, style_named("pastel"), "avif-hdr", XMP)
    codes = imagecodecs.avif_decode(content)
    flat, _, _ = encode(bright, PHOTO, "avif-hdr")

    assert media_type == "image/avif"
    assert codes.dtype == np.uint16
    assert content.endswith(XMP)
    # The middle of the picture, which the vignette leaves alone.
    found = imagecodecs.avif_decode(flat)[7:9, 7:9].mean() / 1023
    graded = PHOTO.grade.exposure_stops
    assert found == pytest.approx(float(pq(np.array(4 * 2**graded * 203.0))), abs=0.02)


def test_the_quantiser_meets_the_standard() -> None:
    # ITU-R BT.2100: 10,000 cd/m² is 1; BT.2408: diffuse white at 203 cd/m² is 58 %.
    assert pq(np.array(10_000.0)) == pytest.approx(1.0)
    assert pq(np.array(203.0)) == pytest.approx(0.5806, abs=1e-3)
    assert pq(np.array(0.0)) == pytest.approx(0.0, abs=1e-6)


def test_an_exr_file_keeps_its_layers(rendering: Rendering, tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    path.write_bytes(encode(rendering, PHOTO, "exr", XMP)[0])

    with OpenEXR.File(str(path)) as file:
        assert file.header()["xmp"] == XMP.decode()
        assert {"RGB", "albedo", "normal", "depth.Z"} <= set(file.channels())


@pytest.mark.parametrize("file_format", ["png", "jpeg", "avif"])
def test_finished_pictures_carry_it_too(file_format: Format) -> None:
    image = Image.new("RGB", (8, 8), "#3070c0")

    content = encode_picture(image, file_format, ORIGIN).content

    assert XMP in content
    with Image.open(io.BytesIO(content)) as again:
        assert np.abs(np.asarray(again, int)[0, 0] - [0x30, 0x70, 0xC0]).max() <= 3

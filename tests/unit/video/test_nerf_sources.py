import io
import json
import math
import zipfile

import numpy as np
import pytest
from PIL import Image

from models.core.errors import InvalidInput, TooLarge
from models.video.camera import Camera, look_at
from models.video.nerf.sources.files import ZipFiles
from models.video.nerf.sources.pictures import Lens, prepared, read_picture
from models.video.nerf.sources.upload import views_of_upload

SIDE = 24


def picture(seed: int = 0, size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 4), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def poses(count: int = 10) -> list[np.ndarray]:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return [look_at(np.array([3 * np.cos(a), 3 * np.sin(a), 1.5]), np.zeros(3)) for a in angles]


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    return out.getvalue()


def upload(meta: dict, frame: dict | None = None, prefix: str = "", ending: str = ".png") -> bytes:
    frames = [
        {"file_path": f"./images/{i:02}{ending}", "transform_matrix": p.tolist(), **(frame or {})}
        for i, p in enumerate(poses())
    ]
    files = {f"{prefix}images/{i:02}.png": picture(i) for i in range(10)}
    meta = {"frames": frames, **meta}
    return archive({f"{prefix}transforms.json": json.dumps(meta).encode(), **files})


def views(content: bytes):
    return views_of_upload(content, lambda: None)


def test_three_spellings_of_the_same_cameras_are_read_alike():
    focal = 30.0
    blender = views(upload({"camera_angle_x": 2 * math.atan(SIDE / 2 / focal)}, ending=""))
    ngp = views(upload({"fl_x": focal, "fl_y": focal, "cx": 12, "cy": 12, "w": 24, "h": 24}))
    per_frame = {"fl_x": focal, "fl_y": focal, "cx": 12, "cy": 12, "w": 24, "h": 24}
    studio = views(upload({"camera_model": "OPENCV"}, per_frame, prefix="scene/"))

    for read in (blender, ngp, studio):
        assert read.cameras[3].focal_px == pytest.approx(focal)
        assert read.cameras[3].shift_px == (0, 0)
        np.testing.assert_allclose(read.cameras[3].pose, poses()[3])
        np.testing.assert_array_equal(read.images, ngp.images)
        assert read.held_out == (0, 8)


def test_the_file_says_which_views_to_hold_out():
    read = views(upload({"camera_angle_x": 0.7, "test_filenames": ["./images/02.png"]}))

    assert read.held_out == (2,)


def test_a_colmap_model_is_turned_to_our_axes():
    lines, target = [], poses()
    for number, pose in enumerate(target):
        turn = (pose[:3, :3] @ np.diag([1, -1, -1])).T
        where = -turn @ pose[:3, 3]
        w = math.sqrt(max(0, 1 + np.trace(turn))) / 2
        if w > 1e-3:
            x, y, z = (turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1])
            q = np.array([w, x / 4 / w, y / 4 / w, z / 4 / w])
        else:
            _, vectors = np.linalg.eigh(turn + turn.T)
            q = np.array([0, *vectors[:, -1]])
        lines += [f"{number} {' '.join(map(str, [*q, *where]))} 1 {number:02}.png", ""]
    files = {
        "sparse/0/cameras.txt": b"# list\n1 SIMPLE_RADIAL 24 24 30 12 12 0\n",
        "sparse/0/images.txt": ("# list\n" + "\n".join(lines)).encode(),
        **{f"images/{i:02}.png": picture(i) for i in range(10)},
    }
    read = views(archive(files))

    assert "metres" in read.degraded[0]
    for camera, pose in zip(read.cameras, target, strict=True):
        np.testing.assert_allclose(camera.pose, pose, atol=1e-6)
        assert camera.focal_px == pytest.approx(30)


def test_removing_distortion_undoes_it():
    """A pattern drawn through the bent lens comes out as the pinhole sees it."""
    lens = Lens(96, 96, 90, 90, 48, 48, (-0.15, 0.02), (0.001, -0.002))
    y, x = np.mgrid[0:96, 0:96] + 0.5

    def wave(u, v):
        return 127 + 60 * np.sin(u / 9) + 60 * np.cos(v / 7)

    u, v = (x - 48) / 90, (y - 48) / 90
    for _ in range(30):  # the pinhole's point whose bent image is the pixel
        r2 = u * u + v * v
        bend = 1 - 0.15 * r2 + 0.02 * r2 * r2
        u = ((x - 48) / 90 - 0.002 * u * v + 0.002 * (r2 + 2 * u * u)) / bend
        v = ((y - 48) / 90 - 0.001 * (r2 + 2 * v * v) + 0.004 * u * v) / bend
    bent = np.repeat(np.round(wave(u * 90 + 48, v * 90 + 48))[..., None], 4, -1).astype(np.uint8)
    straight, pinhole = prepared(Image.fromarray(bent), lens, (96, 96))

    assert not pinhole.bends
    inner = np.s_[12:-12, 12:-12]
    assert np.abs(straight[..., 0] - wave(x, y))[inner].max() < 4


def test_shrinking_weighs_colours_by_their_cover():
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = [200, 100, 50, 255]
    small, _ = prepared(Image.fromarray(pixels), Lens(2, 2, 2, 2, 1, 1), (1, 1))

    np.testing.assert_allclose(small[0, 0], [200, 100, 50, 64], atol=2)


@pytest.mark.parametrize("name", ["../x.png", "/etc/x", "a/../../x", "C:\\x"])
def test_names_that_climb_out_are_refused(name):
    with pytest.raises(InvalidInput, match="outside"):
        ZipFiles(archive({name: b""}))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"nothing", "no ZIP"),
        (archive({"a.png": b""}), "neither"),
        (upload({}), "camera_angle_x"),
        (upload({"camera_angle_x": 0.7, "camera_model": "OPENCV_FISHEYE"}), "FISHEYE"),
        (upload({"camera_angle_x": 0.7}, {"transform_matrix": [[1, 2], [3, 4]]}), "rows"),
        (upload({"camera_angle_x": 0.7}, {"transform_matrix": (2 * np.ones((4, 4))).tolist()}), "rotation"),
        (upload({"camera_angle_x": 0.7}, {"file_path": "../../etc/passwd"}), "outside"),
        (upload({"camera_angle_x": 0.7}, {"file_path": "images/none"}), "no picture"),
        (upload({"camera_angle_x": "x"}), "not as expected"),
    ],
)  # fmt: skip
def test_a_bad_upload_says_what_is_wrong(content, reason):
    with pytest.raises(InvalidInput, match=reason):
        views(content)


def test_a_picture_of_too_many_pixels_is_not_decoded():
    content = io.BytesIO()
    Image.new("1", (8000, 8000)).save(content, "PNG")

    with pytest.raises(TooLarge):
        read_picture(content.getvalue(), "big.png")


def test_principal_points_and_stretched_pixels_aim_the_rays():
    read = views(upload({"fl_x": 40, "fl_y": 20, "cx": 10, "cy": 15, "w": 24, "h": 24}))
    camera = read.cameras[0]
    straight = Camera(camera.pose, camera.fov_y_deg, 24, 24, camera.stretch, camera.shift_px)
    middle = straight.rays(range(15, 16), -0.5, -0.5)[1][0, 10]

    np.testing.assert_allclose(middle, -camera.pose[:3, 2], atol=1e-6)

"""From uploaded photographs with poses to a film, through the capability itself."""

from pathlib import Path

import pytest

from models.core.capability import Run, Setup
from models.core.errors import UnknownAsset
from models.core.local_store import LocalArtifactStore
from models.media.facts import read_back
from models.video import photowork
from models.video.model import VideoModel
from models.video.schema import PathRequest, PathResult, VideoRequest, VideoResult
from tests.unit.video.captures import capture


@pytest.mark.timeout(600)  # compiles, where nobody has before
def test_photographs_become_a_fly_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(photowork.ITERATIONS, "draft", 60)
    store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
    model = VideoModel(Setup(store=store, device="cpu", cache_dir=tmp_path, data_dir=tmp_path))
    asked = VideoRequest.model_validate(
        {
            "photos": capture(store, "anna"),
            "prompt": "orbit",
            "width": 96,
            "height": 64,
            "fps": 4,
            "duration_s": 1,
            "seed": 7,
        }
    )
    anna, stages = Run(owner="anna"), list[str]()
    film = model.run(asked, Run(owner="anna", progress=lambda _f, stage: stages.append(stage)))
    path = model.run(PathRequest(video=asked), anna)
    with pytest.raises(UnknownAsset):
        model.run(asked, Run(owner="boris"))

    assert isinstance(film, VideoResult)
    assert isinstance(path, PathResult)
    assert (film.source, film.geometry, film.engine) == ("photos", "multi-view", "nerf")
    assert film.scene is path.scene is None
    assert film.views is not None
    assert (film.views.count, film.views.resolution) == (14, (32, 32))
    assert film.held_out_psnr_db is not None
    assert film.held_out_psnr_db > 18
    assert "fit" in stages
    target = tmp_path / "film.mp4"
    target.write_bytes(b"".join(store.read(film.assets.video.id, "anna")))
    assert len(read_back(target, asked.rate).times) == 4

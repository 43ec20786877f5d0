"""Models ahead of demand on real Ray: what one replica is asked for, the other loads by itself."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import tiny_checkpoint
from tests.serve.conftest import ROOT, Service, free_port
from tests.serve.test_tasks import until

pytestmark = [pytest.mark.serve, pytest.mark.timeout(300)]
ROUTE = "/api/v1/generate/image"
PICTURE: dict[str, Any] = {
    "prompt": "a cube",
    "backend": "diffusers",
    "size": "64x64",
    "steps": 1,
    "seed": 1,
}


@pytest.fixture(scope="module")
def pictures(scratch: Path) -> Iterator[Service]:
    """Two replicas of the image capability with room for two of three checkpoints each."""
    shelf = scratch / "shelf"
    for name in ("often", "seldom", "never"):
        tiny_checkpoint.sdxl(shelf / name)
    document = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = document["applications"][0]
    application["import_path"] = "tests.serve.part_app:pictures"
    shares = {"gateway": {"num_cpus": 0.1}, "orchestrator": {"num_cpus": 0.1}}
    application["args"]["resources"] = {**shares, "image": {"num_cpus": 0.2, "threads": 8}}
    two = {"min_replicas": 2, "max_replicas": 2}
    application["deployments"] = [
        {**one, "autoscaling_config": two} if one["name"] == "image" else one
        for one in application["deployments"]
        if one["name"] in ("gateway", "orchestrator", "image")
    ]
    path = scratch / "pictures.yaml"
    path.write_text(yaml.safe_dump(document))
    options = {"image": {"diffusers": {"checkpoints": str(shelf), "hub": [], "resident": 2}}}
    environment = {"ORRERY_OPTIONS": json.dumps(options)}
    service = Service(path, free_port(), scratch / "pictures", environment).start()
    try:
        yield service.wait_until_ready()
    finally:
        service.end()


def kept(service: Service) -> dict[str, dict[str, Any]]:
    """Of each model, what the scaling decision says."""
    with service.client() as client:
        found = client.get("/scaling-decision").json()["kept"].get("image", ())
    return {one["name"]: one for one in found}


def test_what_is_asked_for_often_is_soon_in_the_memory_of_both(pictures: Service) -> None:
    with pictures.client() as client:
        for model in ["often"] * 6 + ["seldom"]:
            answer = client.post(ROUTE, json={**PICTURE, "model": model})
            assert answer.status_code == 200, answer.text
    until(lambda: kept(pictures).get("often", {}).get("held") == 2, 60)
    found = kept(pictures)

    assert found["often"]["wanted"] == 2
    assert found["often"]["share"] > 0.5 > found["seldom"]["share"]
    assert "held" in found["often"]["reason"]
    assert "never" not in found

"""Films on real Ray: replicas film together, and the death of one is not seen in the bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from tests.serve.conftest import ROOT, Service, free_port
from tests.serve.test_tasks import ended, until

pytestmark = [pytest.mark.serve, pytest.mark.timeout(300)]
CLIP: dict[str, Any] = {
    "scene": {"objects": [{"shape": "sphere", "color": "#3060c0"}]},
    "engine": "path-trace",
    "width": 128,
    "height": 72,
    "fps": 4,
    "duration_s": 12,
    "seed": 7,
}
AT_WORK_S = 1.0


@pytest.fixture(scope="module")
def films(scratch: Path) -> Iterator[Service]:
    """Two replicas of the video capability."""
    document = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = document["applications"][0]
    application["import_path"] = "tests.serve.part_app:films"
    shares = {"gateway": {"num_cpus": 0.1}, "orchestrator": {"num_cpus": 0.1}}
    application["args"]["resources"] = {**shares, "video": {"num_cpus": 0.2}}
    application["deployments"] = [
        {**one, "num_replicas": 2} if one["name"] == "video" else one
        for one in application["deployments"]
        if one["name"] in ("gateway", "orchestrator", "video")
    ]
    path = scratch / "films.yaml"
    path.write_text(yaml.safe_dump(document))
    service = Service(path, free_port(), scratch / "films").start()
    try:
        yield service.wait_until_ready()
    finally:
        service.end()


def test_a_helper_that_is_killed_is_not_seen_in_the_film(films: Service) -> None:
    with films.client() as client:
        alone = filmed(client, {**CLIP, "parallel": 1})
        url = begun(client, {**CLIP, "parallel": 2})
        before = {replica.pid: replica.cpu_times().user for replica in films.replicas("video")}
        until(lambda: len(leaders(films)) == 1)
        (leader,) = leaders(films)
        (helper,) = (one for one in films.replicas("video") if one.pid != leader.pid)
        until(lambda: helper.cpu_times().user - before[helper.pid] > AT_WORK_S, 60)
        helper.kill()
        task = ended(client, url, 120)

    together = task["outputs"]["result"]
    assert alone["replicas"] == 1
    assert task["tasks"][0]["attempts"] == 1
    assert together["assets"]["video"]["id"] == alone["assets"]["video"]["id"]
    assert together["assets"]["playlist"]["id"] == alone["assets"]["playlist"]["id"]


def begun(client: httpx.Client, body: dict[str, Any]) -> str:
    answer = client.post("/api/v1/generate/video", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


def filmed(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    task = ended(client, begun(client, body), 120)
    assert task["state"] == "completed", task
    result: dict[str, Any] = task["outputs"]["result"]
    return result


def leaders(service: Service) -> list[psutil.Process]:
    """Replicas that hold the lock of a clip."""

    def holds(replica: psutil.Process) -> bool:
        opened = [Path(file.path) for file in replica.open_files()]
        return any(path.parent.name == "locks" and len(path.name) == 64 for path in opened)

    return [replica for replica in service.replicas("video") if holds(replica)]

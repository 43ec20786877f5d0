"""Requests on real Ray go to the replica that has their model, unless a load elsewhere is sooner."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.serve.conftest import ROOT, Service, free_port
from tests.serve.shelf_app import LOAD_S
from tests.serve.test_tasks import until

pytestmark = [pytest.mark.serve, pytest.mark.timeout(300)]
WORK_S = 0.5


@pytest.fixture(scope="module")
def shelves(scratch: Path) -> Iterator[Service]:
    """Two replicas with room for one model each, as image is configured."""
    document = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = document["applications"][0]
    image = next(one for one in application["deployments"] if one["name"] == "image")
    router = image["request_router_config"] | {"request_routing_stats_period_s": 0.5}
    ours = [one for one in application["deployments"] if one["name"] in ("gateway", "orchestrator")]
    shelf = {
        "name": "shelf",
        "num_replicas": 2,
        "max_ongoing_requests": 8,
        "max_queued_requests": 50,
    }
    application["deployments"] = [*ours, {**shelf, "request_router_config": router}]
    application["import_path"] = "tests.serve.shelf_app:build"
    shares = {name: {"num_cpus": 0.1} for name in ("gateway", "orchestrator", "shelf")}
    application["args"] = {"resources": shares}
    path = scratch / "shelves.yaml"
    path.write_text(yaml.safe_dump(document))
    service = Service(path, free_port(), scratch / "shelves").start()
    try:
        yield service.wait_until_ready()
    finally:
        service.end()


def asked(service: Service, model: str, count: int) -> tuple[Counter[int], int]:
    """Of requests at once: how many each replica answered, and loads."""
    with service.client() as client, ThreadPoolExecutor(count) as pool:
        wish = {"model": model, "seconds": WORK_S}
        answers = list(pool.map(lambda _: client.post("/api/v1/shelf", json=wish), range(count)))
    assert [answer.status_code for answer in answers] == [200] * count
    done = [answer.json() for answer in answers]
    return Counter(one["replica"] for one in done), sum(one["loaded"] for one in done)


def test_requests_wait_where_their_model_is_unless_a_load_is_sooner(shelves: Service) -> None:
    first, loads = asked(shelves, "one", 1)
    assert (len(first), loads) == (1, 1)
    (home,) = first

    # Until the replica has told its seconds, and the load among them counts little.
    def few_stay() -> bool:
        few, loads = asked(shelves, "one", 2)
        return (set(few), loads) == ({home}, 0)

    until(few_stay, 30)
    for _ in range(10):
        assert asked(shelves, "one", 1) == (Counter({home: 1}), 0)
    # Serve's own router would send all eight to the one that has the model, which has room.
    many, loads = asked(shelves, "one", 8)

    assert len(many) == 2
    assert loads == 1
    assert many[home] >= LOAD_S / WORK_S


def test_two_models_have_a_replica_each(shelves: Service) -> None:
    for model in ("left", "right"):
        asked(shelves, model, 1)
    loads = [asked(shelves, model, 1)[1] for model in ("left", "right") * 4]

    assert sum(loads) <= 2

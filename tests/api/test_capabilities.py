"""Several operations of one deployment: questions by GET, other names, work that takes long."""

from dataclasses import replace

from tests.api.conftest import Api
from tests.probe import PROBE

ASKED = replace(
    PROBE,
    name="probe_asked",
    deployment="probe",
    method="GET",
    route="/api/v1/probe/asked/{label}",
    tables={},
)
LONG = replace(
    PROBE,
    name="probe_long",
    deployment="probe",
    route="/api/v1/probe/long",
    aliases=("/long",),
    durable=True,
    tables={},
)


async def test_a_question_is_read_from_the_path_and_the_query(api: Api) -> None:
    api.catalogue = (PROBE, ASKED)
    async with api.client() as client:
        answer = await client.get("/api/v1/probe/asked/mine", params={"sleep_s": 0.01})

    assert answer.status_code == 200
    assert (api.backend.probe._setup.cache_dir / "mine.finished").exists()


async def test_a_question_out_of_bounds_or_with_an_unknown_name_is_refused(api: Api) -> None:
    api.catalogue = (PROBE, ASKED)
    async with api.client() as client:
        bad = await client.get("/api/v1/probe/asked/mine", params={"sleep_s": 61})
        unknown = await client.get("/api/v1/probe/asked/mine", params={"nap_s": 1})
        in_path = await client.get("/api/v1/probe/asked/NOT-LOWER")

    assert [answer.status_code for answer in (bad, unknown, in_path)] == [422, 422, 422]
    assert "nap_s" in unknown.json()["detail"]
    assert api.backend.runs == 0


async def test_entries_of_one_deployment_share_their_models(api: Api) -> None:
    api.catalogue = (PROBE, ASKED, LONG)
    async with api.client() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        services = (await client.get("/api/v1/services")).json()["services"]

    assert [path for path in paths if path.endswith("/models")] == ["/api/v1/probe/models"]
    assert [one["uses"] for one in services] == ["probe.run", "probe.asked", "probe.long"]
    parameters = paths["/api/v1/probe/asked/{label}"]["get"]["parameters"]
    assert {one["name"]: one["in"] for one in parameters}["label"] == "path"


async def test_another_path_answers_alike_and_is_not_described(api: Api) -> None:
    api.catalogue = (PROBE, LONG)
    async with api.client() as client:
        answer = await client.post("/long", json={})
        paths = (await client.get("/openapi.json")).json()["paths"]

    assert answer.status_code == 200  # nothing here keeps tasks
    assert "/long" not in paths
    assert "202" in paths["/api/v1/probe/long"]["post"]["responses"]

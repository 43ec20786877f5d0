"""Alive, ready, state, services and OpenAPI."""

import httpx
from ray.exceptions import RayActorError

from graphs.calls import DeploymentState
from tests.api.conftest import Api


async def test_health_says_alive(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health")

    assert answer.status_code == 200
    assert answer.json() == {"status": "alive", "version": "0"}


async def test_ready_only_when_every_deployment_is(api: Api) -> None:
    async with api.client() as client:
        ready = await client.get("/ready")
        api.backend.states["probe"] = DeploymentState("UPDATING", "", 0, 1)
        starting = await client.get("/ready")
        api.backend.states.clear()
        absent = await client.get("/ready")
        api.backend.states["probe"] = DeploymentState("HEALTHY", "", 1, 1)
        api.backend.states["orchestrator"] = DeploymentState("UNHEALTHY", "", 1, 1)
        crippled = await client.get("/ready")

    assert crippled.json()["waiting"] == ["orchestrator (unhealthy)"]
    assert ready.status_code == 200
    assert starting.status_code == 503
    assert starting.json()["waiting"] == ["probe (updating)"]
    assert int(starting.headers["retry-after"]) > 0
    assert absent.json()["waiting"] == ["probe (not deployed)"]


async def test_status_tells_of_each_deployment(api: Api) -> None:
    api.backend.states["gateway"] = DeploymentState("HEALTHY", "", 2, 2)
    async with api.client() as client:
        body = (await client.get("/status")).json()

    probe = body["deployments"]["probe"]
    assert probe["state"] == "HEALTHY"
    assert probe["replicas"] == 1
    assert probe["in_flight"] == 0
    assert probe["uptime_s"] == 12.5
    assert probe["models"][0]["weights_sha256"] == "0" * 64
    assert body["deployments"]["gateway"]["replicas"] == 2
    assert body["ready"] is True


async def test_status_survives_a_replica_that_does_not_answer(api: Api) -> None:
    api.backend.failures = [RayActorError()]
    async with api.client() as client:
        answer = await client.get("/status")

    assert answer.status_code == 200
    assert "no replica of probe answers" in answer.json()["deployments"]["probe"]["problem"]


async def test_services_lead_to_their_routes(client: httpx.AsyncClient) -> None:
    service = (await client.get("/api/v1/services")).json()["services"][0]

    assert service["name"] == "probe"
    assert (await client.get(service["models_route"])).json()["models"][0]["name"] == "probe"
    assert (await client.get(service["tables"][0])).json()["fruits"][0]["name"] == "apple"


async def test_openapi_describes_requests_and_problems(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()

    post = schema["paths"]["/api/v1/probe"]["post"]
    body = post["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/ProbeRequest"}
    assert "application/problem+json" in post["responses"]["4XX"]["content"]
    assert "Problem" in schema["components"]["schemas"]

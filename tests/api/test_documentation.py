"""The reference names every route, problem and setting; the configuration holds what it should."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from fastapi import FastAPI
from ray.serve.schema import DeploymentSchema, ServeDeploySchema

from graphs import __version__
from graphs.app import GATEWAY, ORCHESTRATOR
from graphs.calls import Calls
from graphs.catalogue import CATALOGUE
from graphs.commands.keys import SCOPES
from graphs.entry import by_deployment
from graphs.gateway import build_api, describe_api
from graphs.orchestra import RemoteEngine
from graphs.principals import EVERYTHING, Doorkeeper
from graphs.problems import PROBLEMS
from graphs.routes.tasks import EXAMPLE
from graphs.settings import Settings
from graphs.steps import CapabilitySteps
from models.workflow.spec import Spec
from models.workflow.validation import check
from tests.api.conftest import Api

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs/reference.md").read_text()


@pytest.fixture
def application(api: Api) -> FastAPI:
    keeper = Doorkeeper(None, ())
    calls = Calls(api.backend)
    return build_api(
        CATALOGUE,
        calls,
        api.store,
        keeper,
        version="0",
        max_body_bytes=2**20,
        engine=RemoteEngine(None),
    )


def test_every_route_is_documented(application: FastAPI) -> None:
    for path, operations in describe_api(application)["paths"].items():
        for method in operations:
            assert f"`{method.upper()} {path}`" in REFERENCE


def test_a_key_can_be_given_every_scope_that_a_route_needs() -> None:
    needed = set(re.findall(r"^\| `(?:GET|POST|DELETE) .*\| `(\w+)`.*\|$", REFERENCE, re.MULTILINE))

    assert needed == set(SCOPES) - {EVERYTHING}


def test_the_graph_that_describes_the_route_is_valid(api: Api) -> None:
    steps = CapabilitySteps(CATALOGUE, Calls(api.backend))

    check(Spec.model_validate(EXAMPLE), steps.services())


def test_every_problem_is_documented_with_its_status() -> None:
    for error in PROBLEMS:
        assert re.search(rf"^\| `{error.code}` \| {error.status} \|", REFERENCE, re.MULTILINE)


def test_every_setting_is_documented() -> None:
    for name in Settings.model_fields:
        assert f"| `{name}` |" in REFERENCE


def test_the_configuration_is_valid_and_names_every_deployment() -> None:
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    ServeDeploySchema.model_validate(config)
    application = config["applications"][0]
    settings = Settings(**application["args"])
    named = {deployment["name"] for deployment in application["deployments"]}

    assert named == {GATEWAY, ORCHESTRATOR, *by_deployment(CATALOGUE)}
    assert set(settings.resources) <= named
    assert all("ray_actor_options" not in d for d in application["deployments"])


def test_deployments_in_the_reference_are_valid() -> None:
    shown = [
        yaml.safe_load(block) for block in re.findall(r"```yaml\n(- .*?)```", REFERENCE, re.DOTALL)
    ]
    deployments = [DeploymentSchema.model_validate(one) for found in shown for one in found]

    assert [one.name for one in deployments] == ["video"]


def test_the_minimum_replicas_fit_a_laptop_with_two_cores() -> None:
    application = yaml.safe_load((ROOT / "serve_config.yaml").read_text())["applications"][0]
    settings = Settings(**application["args"])
    cpus = 0.0
    for deployment in application["deployments"]:
        scaling = deployment.get("autoscaling_config", {})
        replicas = scaling.get("min_replicas", deployment.get("num_replicas", 1))
        cpus += replicas * settings.resources_of(deployment["name"]).num_cpus

    assert cpus < 2


def test_the_version_is_said_once() -> None:
    assert version("orrery") == __version__


@pytest.mark.parametrize("share", [1.5, -0.1])
def test_a_gpu_share_that_ray_cannot_place_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="num_gpus"):
        Settings(resources={"image": {"num_gpus": share}})


def test_a_missing_key_file_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="orrery keys add"):
        Settings(keys_file=tmp_path / "absent.json")

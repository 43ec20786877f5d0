"""The application: `serve run serve_config.yaml` calls `build`."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import ray
from pydantic import BaseModel
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from deployments.homes import address
from deployments.logs import join_serve_log
from deployments.node_address import bind_to_node_address
from deployments.orchestrator import Orchestrator, OrchestratorSpec
from deployments.outstanding import Outstanding
from deployments.replica import Replica, ReplicaReport, ReplicaSpec
from deployments.work import kind_of
from graphs import __version__
from graphs.calls import Calls, DeploymentState, ScalingState
from graphs.catalogue import CATALOGUE
from graphs.entry import Entry, by_deployment
from graphs.gateway import build_api
from graphs.orchestra import RemoteEngine
from graphs.principals import Doorkeeper
from graphs.scaling_state import read_scaling
from graphs.settings import Settings
from graphs.steps import CapabilitySteps
from models.core.stores import open_store
from models.workflow.options import EngineOptions

Handle: TypeAlias = DeploymentHandle[Any]

GATEWAY = "gateway"
ORCHESTRATOR = "orchestrator"
REPORT_TIMEOUT_S = 5.0
RUNS_BYTES = 2**28
DAY_S = 86400.0
STATES_FRESH_S = 0.5


def build(settings: Settings) -> Application:
    """Build the application of `serve_config.yaml`.

    Args:
        settings: `args` of the file; the environment fills what it leaves out.
    """
    return assemble(CATALOGUE, settings)


def assemble(catalogue: Sequence[Entry], settings: Settings) -> Application:
    """Bind a replica for each deployment, and the gateway over them."""
    use_gpus = settings.accelerator == "gpu" or (
        settings.accelerator == "auto" and _gpus_in_cluster() > 0
    )
    handles = {
        name: _bind(name, entry, settings, use_gpus)
        for name, entry in by_deployment(catalogue).items()
    }
    share = settings.resources_of(GATEWAY)
    gateway = serve.deployment(
        name=GATEWAY, ray_actor_options={"num_cpus": share.num_cpus, "num_gpus": 0}
    )(serve.ingress()(Gateway))
    orchestrator = _bind_orchestrator(catalogue, settings, handles)
    return gateway.bind(tuple(catalogue), settings, handles, orchestrator)


def _gpus_in_cluster() -> float:
    resources: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray
    return resources.get("GPU", 0.0)


def _bind(name: str, entry: Entry, settings: Settings, use_gpus: bool) -> Application:
    share = settings.resources_of(name)
    num_gpus = share.num_gpus if use_gpus else 0.0
    spec = ReplicaSpec(
        name=name,
        model=entry.model,
        store=settings.store,
        min_free_bytes=settings.min_free_bytes,
        cache_dir=settings.cache_dir / name,
        data_dir=settings.state_dir / name,
        num_gpus=num_gpus,
        options=settings.options.get(name, {}),
        secrets=settings.secrets.get(name, {}),
        threads=share.threads,
    )
    options = {"num_cpus": share.num_cpus, "num_gpus": num_gpus}
    return serve.deployment(name=name, ray_actor_options=options)(Replica).bind(spec)


def _bind_orchestrator(
    catalogue: Sequence[Entry], settings: Settings, handles: Mapping[str, Application]
) -> Application:
    share = settings.resources_of(ORCHESTRATOR)
    spec = OrchestratorSpec(
        # More than the store asks for, so that what was accepted still finds room in it.
        engine=EngineOptions(
            settings.runs,
            min_free_bytes=settings.min_free_bytes + RUNS_BYTES,
            retention_s=settings.retention_days * DAY_S,
            # Without keys there is one owner, whom nobody waits for.
            max_runs_per_owner=settings.max_tasks_per_owner if settings.keys_file else None,
            max_steps_per_owner=settings.max_calls_per_owner if settings.keys_file else None,
        ),
        store=settings.store,
        min_free_bytes=settings.min_free_bytes,
    )
    options = {"num_cpus": share.num_cpus, "num_gpus": 0}
    deployment = serve.deployment(name=ORCHESTRATOR, ray_actor_options=options)(Orchestrator)
    return deployment.bind(spec, partial(_steps, tuple(catalogue)), handles)


def _steps(catalogue: Sequence[Entry], handles: Mapping[str, Handle]) -> CapabilitySteps:
    return CapabilitySteps(catalogue, Calls(RayBackend(handles)))


class RayBackend:
    """Reaches replicas through Serve's handles."""

    def __init__(self, handles: Mapping[str, Handle]) -> None:
        self._handles = handles
        self._app_name = serve.get_replica_context().app_name
        self._methods: dict[tuple[str, str], Handle] = {}
        self._states: Mapping[str, DeploymentState] = {}
        self._states_at_s = float("-inf")
        self._asking = asyncio.Lock()
        self._outstanding = Outstanding(self._app_name)

    async def run(self, entry: Entry, request: BaseModel, owner: str, request_id: str) -> object:
        """Result of the capability, or the `CapabilityError` it ended with."""
        return await self._asked(entry, "run", request, owner, request_id)

    async def content(
        self, entry: Entry, request: BaseModel, owner: str, request_id: str
    ) -> object:
        """Like `run`, the result as JSON, which is what callers of the gateway read."""
        return await self._asked(entry, "content", request, owner, request_id)

    async def _asked(
        self, entry: Entry, method: str, request: BaseModel, owner: str, request_id: str
    ) -> object:
        response = self._method(entry, method, request).remote(request, owner, request_id)
        with self._outstanding.one(entry.served_by, kind_of(request)):
            try:
                return await response
            except asyncio.CancelledError:
                response.cancel()  # type: ignore[no-untyped-call]  # Ray
                raise

    async def follow(
        self, entry: Entry, request: BaseModel, owner: str, request_id: str
    ) -> AsyncGenerator[object, None]:
        """Signs of life of a run, then its result or the `CapabilityError` it ended with."""
        handle = self._method(entry, "follow", request).options(stream=True)
        stream: Any = handle.remote(request, owner, request_id)
        with self._outstanding.one(entry.served_by, kind_of(request)):
            try:
                async for found in stream:
                    yield found
            except (asyncio.CancelledError, GeneratorExit):
                stream.cancel()
                raise

    def _method(self, entry: Entry, method: str, request: BaseModel) -> Handle:
        """A handle of one method; kept, since Serve makes a new one each time it is asked."""
        key = entry.served_by, method
        handle = self._methods.get(key)
        if handle is None:
            # Requests are instances of importable classes: no need of cloudpickle, which looks
            # at each part of them in Python. Errors that come back may be of any kind.
            handle = self._handles[key[0]].options(
                method_name=method, request_serialization="pickle"
            )
            self._methods[key] = handle
        home = address_of(entry, request)
        return handle.options(multiplexed_model_id=home) if home else handle

    async def report(self, name: str) -> ReplicaReport:
        """What one replica says of itself."""
        response = self._handles[name].report.remote()
        async with asyncio.timeout(REPORT_TIMEOUT_S):
            report = await response
        assert isinstance(report, ReplicaReport)  # noqa: S101 - a handle is untyped
        return report

    async def deployments(self) -> Mapping[str, DeploymentState]:
        """State of every deployment, at most half a second old."""
        async with self._asking:
            now_s = asyncio.get_running_loop().time()
            if now_s - self._states_at_s > STATES_FRESH_S:
                self._states = await asyncio.to_thread(self._ask)
                self._states_at_s = now_s
        return self._states

    async def scaling(self) -> ScalingState:
        """What the autoscaling policy decided and saw."""
        return await read_scaling(self._app_name)

    def _ask(self) -> Mapping[str, DeploymentState]:
        application = serve.status().applications.get(self._app_name)
        if application is None:
            return {}
        return {
            name: _state(overview.status.value, overview.message, overview.replica_states)
            for name, overview in application.deployments.items()
        }


def address_of(entry: Entry, request: BaseModel) -> str:
    """What Serve knows the home of a request by; "" if any replica will do."""
    return "" if entry.home is None else address(entry.home(request))


def _state(status: str, message: str, replicas: Mapping[Any, int]) -> DeploymentState:
    """Ray's replica states are strings of a private enumeration."""
    running = replicas.get("RUNNING", 0)
    return DeploymentState(status, message, running, sum(replicas.values()))


class Gateway:
    """The ingress: one ASGI application over the handles of all capabilities."""

    def __init__(
        self,
        catalogue: Sequence[Entry],
        settings: Settings,
        handles: Mapping[str, Handle],
        orchestrator: Handle,
    ) -> None:
        bind_to_node_address()
        join_serve_log()
        self._catalogue = catalogue
        self._settings = settings
        self._handles = handles
        self._orchestrator = orchestrator

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Build the routes in the replica; Serve calls this after the constructor."""
        settings = self._settings
        return build_api(
            self._catalogue,
            Calls(RayBackend(self._handles)),
            open_store(settings.store, min_free_bytes=settings.min_free_bytes),
            Doorkeeper(settings.keys_file, settings.allow_hosts),
            version=__version__,
            max_body_bytes=settings.max_body_bytes,
            max_upload_bytes=settings.max_upload_bytes,
            engine=RemoteEngine(self._orchestrator),
        )

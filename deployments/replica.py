"""The default replica: one capability, its worker threads, cancellation within the run."""

import asyncio
import contextvars
import gc
import logging
import pkgutil
import threading
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, JsonValue, SecretStr
from ray import serve

from deployments.affinity import LOAD_S, SERVICE_S
from deployments.gpu_metrics import measure_gpus
from deployments.homes import leave
from deployments.keeping import Keeping
from deployments.logs import fixed_context, join_serve_log
from deployments.node_address import bind_to_node_address
from deployments.node_metrics import measure_node, name_as_number
from deployments.outstanding import Outstanding
from deployments.peers import ServePeers, peers_in
from deployments.signs import Sign, Signs
from deployments.turns import Turns
from deployments.work import Work, kind_of, kinds_as_numbers
from models.core.capability import ALONE, Capability, Keeper, ModelCard, Peers, Run, Setup
from models.core.device import cap_memory, choose_device
from models.core.errors import Cancelled, CapabilityError, CapacityExceeded
from models.core.stores import open_store

HOMES = 32
"""Things that a replica is known to have in memory; as many as adapters are kept there."""
HANDED_BACK_S = 3.0
"""A replica that leads others in a long run gives back what it has not begun within this time."""
AGAIN_S = 0.5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReplicaSpec:
    """What a replica is built from; travels to its process.

    Attributes:
        name: Of the capability.
        model: `module:class` of the `Capability`, imported only here.
        store: Folder or URL of the artifact store.
        min_free_bytes: Watermark of the artifact store.
        cache_dir: Local folder for what can be computed again.
        data_dir: Local folder for what must last.
        num_gpus: Share of a GPU, or whole GPUs; 0 computes on the CPU.
        options: The capability's own settings.
        threads: Runs at a time; more than one only for a capability that allows it.
        secrets: Keys of providers by name.
    """

    name: str
    model: str
    store: str
    min_free_bytes: int
    cache_dir: Path
    data_dir: Path
    num_gpus: float
    options: Mapping[str, JsonValue]
    threads: int = 1
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)


@dataclass(frozen=True)
class ReplicaReport:
    """What one replica says of itself."""

    cards: tuple[ModelCard, ...]
    running: int
    uptime_s: float
    num_gpus: float
    device: str


class Replica:
    """Serves one capability.

    A built replica has loaded its weights and warmed up, so Serve calls it healthy only then.
    The model runs in threads of its own: the event loop stays free for health checks and for
    cancellation, which the run polls.
    """

    def __init__(self, spec: ReplicaSpec) -> None:
        bind_to_node_address()
        join_serve_log()
        self._spec = spec
        self._started = time.monotonic()
        self._device = choose_device(spec.num_gpus)
        if self._device != "cpu":
            cap_memory(spec.num_gpus)
        self._turns = Turns(spec.threads, spec.name)
        # Where one thread runs it, built in that thread: some renderers keep state per thread.
        self._capability: Capability[Any, BaseModel] = self._turns.submit("", self._build).result()
        self._running = 0
        self._context = fixed_context()
        self._others: ServePeers | None = None
        self._work = Work()
        self._keeping = self._keep_ahead()
        # Libraries and weights stay: looking through them again would halt requests for nothing.
        gc.collect()
        gc.freeze()
        logger.info(
            "replica ready",
            extra={
                "capability": spec.name,
                "device": self._device,
                "duration_s": round(time.monotonic() - self._started, 2),
            },
        )

    def _build(self) -> Capability[Any, BaseModel]:
        for folder in (self._spec.cache_dir, self._spec.data_dir):
            folder.mkdir(parents=True, exist_ok=True)
        setup = Setup(
            store=open_store(self._spec.store, min_free_bytes=self._spec.min_free_bytes),
            device=self._device,
            cache_dir=self._spec.cache_dir,
            data_dir=self._spec.data_dir,
            options=self._spec.options,
            secrets=self._spec.secrets,
        )
        build: type[Capability[Any, BaseModel]] = pkgutil.resolve_name(self._spec.model)
        return build(setup)  # type: ignore[call-arg]  # a Protocol cannot state its constructor

    def _keep_ahead(self) -> Keeping | None:
        keeper = self._capability
        if not isinstance(keeper, Keeper):
            return None
        name, busy_s = self._spec.name, self._work.busy_s
        keeping = Keeping(name, keeper, busy_s, self.hold, partial(leave, self))
        reports = keeping.report_on(serve.get_replica_context().app_name)
        self._reporting = asyncio.get_running_loop().create_task(reports)
        return keeping

    @serve.multiplexed(max_num_models_per_replica=HOMES)  # type: ignore[untyped-decorator]
    async def hold(self, home: str) -> str:
        """Let Serve know that this replica will have something in memory; it forgets the oldest."""
        return home

    async def _settle(self) -> None:
        home = serve.get_multiplexed_model_id()
        if home:
            await self.hold(home)

    async def run(
        self, request: BaseModel, owner: str, request_id: str
    ) -> BaseModel | CapabilityError:
        """Answer one request; an expected error is a value, since Serve logs raised ones."""
        await self._settle()
        left = threading.Event()
        run = Run(owner, request_id, left.is_set, peers=self._peers())
        return await self._work_on(request, run, left)

    async def content(
        self, request: BaseModel, owner: str, request_id: str
    ) -> bytes | CapabilityError:
        """Like `run`, the result as JSON: whoever only passes it on need not read it."""
        outcome = await self.run(request, owner, request_id)
        if isinstance(outcome, CapabilityError):
            return outcome
        return outcome.model_dump_json(by_alias=True).encode()

    async def follow(
        self, request: BaseModel, owner: str, request_id: str
    ) -> AsyncIterator[Sign | BaseModel | CapabilityError]:
        """Like `run`, but with signs of life before the answer, which comes last."""
        await self._settle()
        left, signs = threading.Event(), Signs()
        run = Run(
            owner, request_id, left.is_set, signs.progress, signs.preview, peers=self._peers()
        )
        work = asyncio.ensure_future(self._work_on(request, run, left))
        try:
            async for sign in signs.until(work):
                yield sign
            yield work.result()
        finally:
            work.cancel()  # the caller left; or nothing, since the work is done

    async def _work_on(
        self, request: BaseModel, run: Run, left: threading.Event
    ) -> BaseModel | CapabilityError:
        self._running += 1
        started = time.monotonic()
        outcome: BaseModel | CapabilityError
        try:
            outcome = await self._answered(request, run, left)
        except asyncio.CancelledError:
            logger.info("run cancelled", extra={"capability": self._spec.name})
            raise
        finally:
            left.set()
            self._running -= 1
        if self._keeping is not None:
            await self._keeping.settle()
        code = outcome.code if isinstance(outcome, CapabilityError) else "ok"
        elapsed_s = round(time.monotonic() - started, 3)
        extra = {"capability": self._spec.name, "code": code, "duration_s": elapsed_s}
        named = {**self._context, "request_id": run.request_id, **extra}
        logger.info("run finished", extra=named)
        return outcome

    async def _answered(
        self, request: BaseModel, run: Run, left: threading.Event
    ) -> BaseModel | CapabilityError:
        begun = threading.Event()
        context = contextvars.copy_context()  # the request's id, for the log

        def answer() -> BaseModel | CapabilityError:
            return context.run(self._answer, request, run, begun)

        work = asyncio.wrap_future(self._turns.submit(run.owner, answer))
        while self._others is not None:  # else there is nobody to hand it to
            if (await asyncio.wait({work}, timeout=HANDED_BACK_S))[0] or begun.is_set():
                break
            if self._others.asked:
                left.set()
                return CapacityExceeded(
                    "this replica leads others in a long run; another may be free", AGAIN_S
                )
        return await work

    def _peers(self) -> Peers:
        context = serve.get_replica_context()
        most = peers_in(context)
        if most == 0:
            return ALONE
        if self._others is None:
            self._others = ServePeers(self._spec.name, Outstanding(context.app_name))
        self._others.most = most
        return self._others

    def _answer(
        self, request: BaseModel, run: Run, begun: threading.Event
    ) -> BaseModel | CapabilityError:
        begun.set()
        if run.cancelled():
            return Cancelled("the caller left before the work began")
        if self._keeping is not None:
            self._keeping.note(request, serve.get_multiplexed_model_id())
        with self._work.piece(kind_of(request)):
            try:
                return self._capability.run(request, run)
            except CapabilityError as error:
                return error

    def record_routing_stats(self) -> dict[str, float]:
        """What routers are told of this replica."""
        load_s = self._capability.load_s if isinstance(self._capability, Keeper) else 0.0
        return {SERVICE_S: self._work.service_s, LOAD_S: load_s}

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What the autoscaling policy is told of this replica and its machine; numbers alone."""
        node = await asyncio.to_thread(measure_node, self._spec.cache_dir)
        gpus = await asyncio.to_thread(measure_gpus) if self._spec.num_gpus > 0 else None
        return {
            **({} if gpus is None else {"gpu": gpus.busy, "gpu_memory": gpus.memory}),
            "held_s": self._work.held_s(),
            "service_s": self._work.service_s,
            **kinds_as_numbers(self._work.kinds()),
            "gpu_share": self._spec.num_gpus,
            "node": name_as_number(node.name),
            "cpu": node.cpu,
            "memory": node.memory,
            "disk": node.disk,
        }

    async def report(self) -> ReplicaReport:
        """What this replica serves and how long it has run."""
        return ReplicaReport(
            cards=self._capability.cards(),
            running=self._running,
            uptime_s=time.monotonic() - self._started,
            num_gpus=self._spec.num_gpus,
            device=self._device,
        )

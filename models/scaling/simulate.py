"""A discrete-event simulator: a trace, a policy, and what it costs and achieves."""

import heapq
import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.scaling.fleet import Fleet, Replica
from models.scaling.loads import LoadTimes
from models.scaling.placement import CROWDING, copies
from models.scaling.popularity import Popularity
from models.scaling.trace import Floats, Trace

TICK_S = 10.0  # at this interval Ray Serve pushes its metrics
ONGOING_S = 30.0  # over which Ray Serve averages them
LOAD_S = 300.0  # over which the load is averaged
RECENT_S = 90.0  # of the load that tells a trend
USUAL_S = 3600.0  # over which loads of models are compared with work
LOAD_AHEAD_S = 10.0  # between looks at what is loaded where
SCAN = 16  # requests of the queue that a free replica looks at
SMOOTHING = 0.2  # of the measured seconds per request
FIRST_COMES_S = 20.0  # the first of the queue is not passed over for longer, where nobody waits
SLO_FACTOR, SLO_S = 2.0, 10.0


@dataclass(frozen=True, slots=True)
class Observation:
    """What a policy sees at a tick.

    Attributes:
        now_s: Time from the start.
        replicas: Asked for.
        ready: Of them, able to work.
        ongoing: Requests queued or worked on, mean of the last `look_back_s`.
        load: Work begun, seconds per second, mean of 5 minutes, and what loads of models usually
            add to it: a replica that has just started loads several, which tells nothing of what
            will be asked for.
        recent: The same over the last 90 s.
        backlog_s: Seconds of work in the queue.
        cold_start_s: From asking for a replica until it works.
        working: Requests worked on, mean over the same time as `ongoing`.
        service_s: Seconds that a request lately took, loads included.
        queued: Requests that nothing works on yet, now.
    """

    now_s: float
    replicas: int
    ready: int
    ongoing: float
    load: float
    recent: float
    backlog_s: float
    cold_start_s: float
    working: float = 0.0
    service_s: float = 0.0
    queued: int = 0


class Policy(Protocol):
    """Decides at each tick."""

    def __call__(self, seen: Observation) -> int:
        """Replicas to have."""
        ...


@dataclass(frozen=True)
class World:
    """What is simulated around a policy.

    Attributes:
        times: Draws of loading times.
        startup_s: From asking for a replica until it works.
        startups_s: The same of the first that are added, one after the other, where it is known.
        host_models: Base models that a replica keeps in host memory.
        min_replicas: Never fewer.
        max_replicas: Never more.
        loads_ahead: Popular models are loaded into host memory before they are asked for.
        tick_s: Between decisions: the interval at which metrics reach the controller.
        look_back_s: Over which requests are averaged.
        handover_s: Between an answer and the start of the next waiting request on a replica.
        stop_s: From telling an idle replica to stop until it is gone.
        warm: The first replicas are ready at the start.
        waits: Requests wait for busy replicas with their base model while a load would take longer.
        told_s: So old is what a policy is told of the queue: who sent the requests tells it, from
            time to time.
    """

    times: LoadTimes
    startup_s: float = 60.0
    startups_s: tuple[float, ...] = ()
    host_models: int = 4
    min_replicas: int = 1
    max_replicas: int = 64
    loads_ahead: bool = False
    tick_s: float = TICK_S
    look_back_s: float = ONGOING_S
    handover_s: float = 0.0
    stop_s: float = 0.0
    warm: bool = False
    waits: bool = False
    told_s: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What a policy achieved on a trace.

    Attributes:
        latency_s: Of each request, from arrival to result.
        service_s: Of each request, its own work.
        gpu_hours: Of all replicas, from asking for them until they were gone.
        changes: Times that the target changed.
        span_s: Length of the simulation.
        swaps: Requests by where their base model was, and models loaded ahead.
        timeline: Time, target and requests in progress at each tick.
    """

    latency_s: Floats
    service_s: Floats
    gpu_hours: float
    changes: int
    span_s: float
    swaps: dict[str, int]
    timeline: tuple[tuple[float, int, int], ...]

    @property
    def late(self) -> NDArray[np.bool_]:
        """Of each request, whether its latency was above twice its work and 10 s."""
        return self.latency_s > SLO_FACTOR * self.service_s + SLO_S

    @property
    def missed(self) -> float:
        """Share of requests that were late."""
        return float(np.mean(self.late))

    @property
    def changes_per_hour(self) -> float:
        """How often the fleet changed."""
        return self.changes / (self.span_s / 3600)

    def wait_s(self, percentile: float) -> float:
        """Percentile of the time that was not the request's own work."""
        return float(np.percentile(self.latency_s - self.service_s, percentile))


def simulate(trace: Trace, policy: Policy, world: World) -> Outcome:
    """Run a trace to its end."""
    return Simulation(trace, policy, world).run()


def _mean_of_last(values: deque[float], count: int) -> float:
    return float(np.mean(list(islice(reversed(values), count))))


class Simulation:
    """One run; time only moves forward."""

    def __init__(self, trace: Trace, policy: Policy, world: World) -> None:
        self._trace, self._policy, self._world = trace, policy, world
        self._service = trace.service_s.tolist()
        self._model, self._lora = trace.model.tolist(), trace.lora.tolist()
        self._arrival = trace.arrival_s.tolist()
        self._fleet = Fleet(world.host_models, world.times, world.stop_s)
        self._events: list[tuple[float, int, Callable[..., None], Replica | None, int]] = []
        self._pushed = 0
        self._queue: deque[int] = deque()
        self._backlog_s = 0.0
        self._begun_s, self._loading_s = 0.0, 0.0  # work, and loads of models, since the last tick
        self._usual_s = [0.0, 0.0]  # the same over the last hour, fading
        self._recent: deque[float] = deque(maxlen=round(LOAD_S / world.tick_s))
        self._ongoing, self._working, self._counted_at_s = 0, 0, 0.0
        self._ongoing_s, self._working_s = 0.0, 0.0  # their integrals
        kept = round(world.look_back_s / world.tick_s) + 1
        self._integrals: deque[tuple[float, float]] = deque([(0.0, 0.0)], maxlen=kept)
        self._startups_s = iter(world.startups_s)
        self._told = deque([(0, 0.0)] * math.ceil(world.told_s / world.tick_s))
        self._lately_s, self._work_s = 0.0, 0.0  # that a request took, and its own work
        self._load_s = float(np.mean(world.times.storage_s))
        self._waiting: Counter[int] = Counter()  # requests of the queue, by model
        self._popularity: Popularity[int] = Popularity()
        self._looked_s = 0.0
        self._latency_s = [0.0] * len(trace)
        self._target = 0
        self._changes = -1  # the first is no change
        self._timeline: list[tuple[float, int, int]] = []

    def run(self) -> Outcome:
        """Pass over arrivals, events and ticks in the order of time."""
        arrival, events = self._arrival, self._events
        count, index, tick_s, now_s = len(arrival), 0, 0.0, 0.0
        self._left = count
        while self._left:
            arrives_s = arrival[index] if index < count else np.inf
            ends_s = events[0][0] if events else np.inf
            if tick_s <= arrives_s and tick_s <= ends_s:
                now_s = tick_s
                self._tick(now_s)
                tick_s += self._world.tick_s
            elif arrives_s <= ends_s:
                now_s = arrives_s
                self._arrive(now_s, index)
                index += 1
            else:
                now_s, _, handle, replica, item = heapq.heappop(events)
                handle(now_s, replica, item)
        return self._outcome(now_s)

    def _push(
        self, at_s: float, handle: Callable[..., None], replica: Replica | None, item: int
    ) -> None:
        self._pushed += 1
        heapq.heappush(self._events, (at_s, self._pushed, handle, replica, item))

    def _count(self, now_s: float, ongoing: int, working: int) -> None:
        """Bring the integrals up to now, then change what they count."""
        elapsed_s = now_s - self._counted_at_s
        self._ongoing_s += self._ongoing * elapsed_s
        self._working_s += self._working * elapsed_s
        self._counted_at_s = now_s
        self._ongoing += ongoing
        self._working += working

    def _arrive(self, now_s: float, index: int) -> None:
        self._count(now_s, 1, 0)
        service_s, model = self._service[index], self._model[index]
        self._begun_s += service_s
        self._popularity.note(model)
        if self._fleet.free and not self._should_wait(model, self._waiting[model]):
            self._start(now_s, self._fleet.choose(model), index, 0.0)
            return
        self._queue.append(index)
        self._waiting[model] += 1
        self._backlog_s += service_s

    def _should_wait(self, model: int, ahead: int) -> bool:
        """Whether those who have a model are all busy, but sooner done than another with a load."""
        of_each = 1 + ahead / max(self._fleet.copies[model], 1)
        busy = self._world.waits and self._fleet.all_busy_with(model)
        return busy and of_each * self._work_s <= self._load_s

    def _leave_queue(self, place: int) -> int:
        index = self._queue[place]
        del self._queue[place]
        self._waiting[self._model[index]] -= 1
        self._backlog_s -= self._service[index]
        return index

    def _wake(self, now_s: float) -> None:
        """Start those of the queue for whom waiting is not worth it any more."""
        for index in list(self._queue):
            model = self._model[index]
            if not self._fleet.free:
                return
            late = now_s - self._arrival[index] > self._first_comes_s
            if late or not self._should_wait(model, self._waiting[model] - 1):
                self._leave_queue(self._queue.index(index))
                self._start(now_s, self._fleet.choose(model), index, 0.0)

    def _start(self, now_s: float, replica: Replica, index: int, handover_s: float) -> None:
        load_s = self._fleet.start(now_s, replica, self._model[index], self._lora[index])
        self._loading_s += load_s
        self._count(now_s, 0, 1)
        took_s = load_s + self._service[index]
        smoothing = SMOOTHING if self._lately_s else 1.0
        self._lately_s += smoothing * (took_s - self._lately_s)
        self._work_s += smoothing * (self._service[index] - self._work_s)
        self._push(now_s + handover_s + took_s, self._done, replica, index)

    def _done(self, now_s: float, replica: Replica, index: int) -> None:
        self._count(now_s, -1, -1)
        self._latency_s[index] = now_s - self._arrival[index]
        self._left -= 1
        self._next_or_free(now_s, replica)

    def _ready(self, now_s: float, replica: Replica, _: int) -> None:
        if not replica.draining:
            replica.ready = True
            self._next_or_free(now_s, replica)

    def _loaded(self, now_s: float, replica: Replica, model: int) -> None:
        self._fleet.loaded(replica, model)
        if self._waiting[model]:
            self._wake(now_s)

    def _next_or_free(self, now_s: float, replica: Replica) -> None:
        place = None if replica.draining else self._place_in_queue(now_s, replica)
        if place is None:
            self._fleet.release(replica, now_s)
            return
        self._start(now_s, replica, self._leave_queue(place), self._world.handover_s)

    def _place_in_queue(self, now_s: float, replica: Replica) -> int | None:
        """The first request that the replica has the model for, else the first that wants any."""
        if self._queue and now_s - self._arrival[self._queue[0]] > self._first_comes_s:
            return 0
        hosted = any_will_do = None
        for place, index in enumerate(islice(self._queue, SCAN)):
            model = self._model[index]
            if model == replica.held:
                return place
            if hosted is None and model in replica.host:
                hosted = place
            if any_will_do is None and not self._should_wait(model, self._waiting[model] - 1):
                any_will_do = place
        return any_will_do if hosted is None else hosted

    @property
    def _first_comes_s(self) -> float:
        """The first of the queue is not passed over for longer."""
        return self._work_s + self._load_s if self._world.waits else FIRST_COMES_S

    def _tick(self, now_s: float) -> None:
        self._count(now_s, 0, 0)
        self._integrals.append((self._ongoing_s, self._working_s))
        self._recent.append(self._begun_s)
        fade = 1 - self._world.tick_s / USUAL_S
        begun = self._begun_s, self._loading_s
        self._usual_s = [fade * old + new for old, new in zip(self._usual_s, begun, strict=True)]
        self._begun_s, self._loading_s = 0.0, 0.0
        seen = self._observe(now_s)
        wanted = max(self._policy(seen), self._world.min_replicas)
        self._scale(now_s, min(wanted, self._world.max_replicas))
        self._timeline.append((now_s, self._target, self._ongoing))
        if self._world.waits and self._queue:
            self._wake(now_s)
        if self._world.loads_ahead and now_s - self._looked_s >= LOAD_AHEAD_S:
            self._load_ahead(now_s, seen)

    def _look_at_queue(self, *_: object) -> None:
        self._told.append((len(self._queue), max(self._backlog_s, 0.0)))

    def _told_of_queue(self, now_s: float) -> tuple[int, float]:
        """Requests in the queue and their work, as they were `told_s` ago."""
        ahead_s = len(self._told) * self._world.tick_s - self._world.told_s
        if ahead_s > 0:
            self._push(now_s + ahead_s, self._look_at_queue, None, 0)
        else:
            self._look_at_queue()
        return self._told.popleft()

    def _observe(self, now_s: float) -> Observation:
        tick_s, (first, last) = self._world.tick_s, (self._integrals[0], self._integrals[-1])
        span_s = max(tick_s * (len(self._integrals) - 1), tick_s)
        queued, backlog_s = self._told_of_queue(now_s)
        work_s, loading_s = self._usual_s
        with_loads = 1 + min(loading_s / work_s, 1.0) if work_s > 0 else 1.0
        return Observation(
            now_s=now_s,
            replicas=self._target,
            ready=sum(replica.ready for replica in self._fleet.alive.values()),
            ongoing=(last[0] - first[0]) / span_s,
            load=with_loads * sum(self._recent) / (tick_s * len(self._recent)),
            recent=with_loads * _mean_of_last(self._recent, round(RECENT_S / tick_s)) / tick_s,
            backlog_s=backlog_s,
            cold_start_s=self._world.startup_s,
            working=(last[1] - first[1]) / span_s,
            service_s=self._lately_s,
            queued=queued,
        )

    def _scale(self, now_s: float, target: int) -> None:
        if target == self._target:
            return
        self._changes += 1
        for _ in range(target - self._target):
            warm = self._world.warm and now_s == 0
            startup_s = 0.0 if warm else next(self._startups_s, self._world.startup_s)
            replica = self._fleet.add(now_s)
            self._push(now_s + startup_s, self._ready, replica, 0)
        if target < self._target:
            self._fleet.shrink(self._target - target, now_s)
        self._target = target

    def _load_ahead(self, now_s: float, seen: Observation) -> None:
        self._looked_s = now_s
        # As replicas report it: those that start have no part in it.
        busy = CROWDING * seen.working / max(seen.ready, 1)
        wanted = copies(self._popularity.shares(now_s), seen.ready, self._world.host_models, busy)
        for replica, model, load_s in self._fleet.load_ahead(now_s, wanted):
            self._push(now_s + load_s, self._loaded, replica, model)

    def _outcome(self, end_s: float) -> Outcome:
        fleet = self._fleet
        alive_s = sum(end_s - replica.asked_s for replica in fleet.alive.values())
        return Outcome(
            latency_s=np.array(self._latency_s),
            service_s=self._trace.service_s,
            gpu_hours=(fleet.gone_s + alive_s) / 3600,
            changes=max(self._changes, 0),
            span_s=end_s,
            swaps=dict(fleet.swaps),
            timeline=tuple(self._timeline),
        )

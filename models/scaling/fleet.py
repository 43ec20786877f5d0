"""The simulated replicas: what they hold, which one takes a request, what is loaded ahead."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain, islice

from models.scaling.loads import LoadTimes, endless
from models.scaling.placement import missing

LOOK_AHEAD = 16


class Replica:
    """One replica: works on one request at a time and has one base model on its GPU."""

    __slots__ = (
        "asked_s",
        "busy",
        "draining",
        "held",
        "host",
        "loaded_s",
        "loading",
        "number",
        "ready",
    )

    def __init__(self, number: int, asked_s: float) -> None:
        self.number = number
        self.asked_s = asked_s
        self.ready = False
        self.busy = False
        self.draining = False
        self.held: int | None = None
        self.host: dict[int, None] = {}  # models in host memory, the oldest first
        self.loading: int | None = None  # into host memory, in the background
        self.loaded_s = 0.0  # when that will be done


class Fleet:
    """All replicas, indexed by what they hold so that a choice does not look at each.

    Args:
        host_models: Base models that a replica keeps in host memory.
        times: Draws of loading times.
        stop_s: From telling an idle replica to stop until it is gone.
    """

    def __init__(self, host_models: int, times: LoadTimes, stop_s: float = 0.0) -> None:
        self._slots = host_models
        self._stop_s = stop_s
        self._host_s, self._storage_s = endless(times.host_s), endless(times.storage_s)
        self._lora_s = endless(times.lora_s)
        self._next = 0
        self._wanted: Mapping[int, int] = {}
        self._holding: dict[int, dict[int, Replica]] = {}
        self._hosting: dict[int, dict[int, Replica]] = {}
        self._loading: dict[int, dict[int, Replica]] = {}  # free or not
        self.copies: Counter[int] = Counter()
        self.alive: dict[int, Replica] = {}
        self.free: dict[int, Replica] = {}  # the longest idle first
        self.swaps = {"none": 0, "host": 0, "coming": 0, "storage": 0, "ahead": 0}
        self.gone_s = 0.0

    def add(self, now_s: float) -> Replica:
        """A replica that begins to start."""
        replica = self.alive[self._next] = Replica(self._next, now_s)
        self._next += 1
        return replica

    def release(self, replica: Replica, now_s: float) -> None:
        """A replica has nothing to do."""
        replica.busy = False
        if replica.draining:
            self.gone_s += now_s + self._stop_s - replica.asked_s
            return
        number = replica.number
        self.free[number] = replica
        if replica.held is not None:
            self._holding.setdefault(replica.held, {})[number] = replica
        for model in replica.host:
            self._hosting.setdefault(model, {})[number] = replica

    def _occupy(self, replica: Replica) -> None:
        number = replica.number
        if self.free.pop(number, None) is None:
            return
        if replica.held is not None:
            self._holding[replica.held].pop(number)
        for model in replica.host:
            self._hosting[model].pop(number)

    def shrink(self, count: int, now_s: float) -> None:
        """Take away replicas: those that start, then the longest idle, then busy ones."""
        starting = [r for r in self.alive.values() if not r.ready]
        busy = (r for r in self.alive.values() if r.busy)
        for replica in list(islice(chain(starting, self.free.values(), busy), count)):
            self._occupy(replica)
            del self.alive[replica.number]
            self.copies.subtract(replica.host.keys())
            replica.draining = True
            self._stop_loading(replica)
            if not replica.busy:
                self.gone_s += now_s + self._stop_s - replica.asked_s

    def all_busy_with(self, model: int) -> bool:
        """Whether replicas have a model, but none that is free."""
        free = self._holding.get(model) or self._hosting.get(model)
        return not free and self.copies[model] > 0

    def choose(self, model: int, needed: Iterable[int] = ()) -> Replica:
        """The free replica for a model: with it on the GPU, in host memory or soon, else the longest idle."""
        for index in (self._holding, self._hosting):
            found = index.get(model)
            if found:
                return next(iter(found.values()))
        coming = [r for r in self._loading.get(model, {}).values() if r.number in self.free]
        if coming:
            return min(coming, key=lambda replica: replica.loaded_s)
        spared = set(needed)
        first = list(islice(self.free.values(), LOOK_AHEAD))
        return next((r for r in first if r.held not in spared), first[0])

    def start(self, now_s: float, replica: Replica, model: int, lora: bool) -> float:
        """Occupy a replica for a request; seconds of loading before its work begins."""
        self._occupy(replica)
        replica.busy = True
        load_s = next(self._lora_s) if lora else 0.0
        if replica.held == model:
            self.swaps["none"] += 1
        elif model in replica.host:
            self.swaps["host"] += 1
            load_s += next(self._host_s)
        elif replica.loading == model:
            self.swaps["coming"] += 1
            load_s += replica.loaded_s - now_s + next(self._host_s)
            self._stop_loading(replica)
        else:
            self.swaps["storage"] += 1
            load_s += next(self._storage_s)
            self._stop_loading(replica)  # what was loading in the background gives way
        replica.held = model
        self._remember(replica, model)
        return load_s

    def _remember(self, replica: Replica, model: int) -> None:
        if model in replica.host:
            del replica.host[model]
            replica.host[model] = None
            return
        if len(replica.host) >= self._slots:
            self._forget(replica, self._victim(replica))
        replica.host[model] = None
        self.copies[model] += 1
        if replica.number in self.free:
            self._hosting.setdefault(model, {})[replica.number] = replica

    def _victim(self, replica: Replica) -> int:
        """The model to give up: one with more copies than wanted, else the oldest."""
        others = [model for model in replica.host if model != replica.held]
        for model in others:
            if self.copies[model] > self._wanted.get(model, 0):
                return model
        return others[0] if others else next(iter(replica.host))

    def _forget(self, replica: Replica, model: int) -> None:
        del replica.host[model]
        self.copies[model] -= 1
        if replica.number in self.free:
            self._hosting[model].pop(replica.number)

    def load_ahead(
        self, now_s: float, wanted: Mapping[int, int]
    ) -> list[tuple[Replica, int, float]]:
        """Begin to load into host memory what too few replicas hold.

        Args:
            now_s: Time.
            wanted: Replicas that should hold each model, the most popular first.

        Returns:
            Replica, model and seconds of each load that begins.
        """
        self._wanted = wanted
        coming = {model: len(replicas) for model, replicas in self._loading.items()}
        lacking = missing(wanted, self.copies, coming)
        begun = []
        for replica in self.alive.values():
            if not lacking:
                break
            if not replica.ready or replica.loading is not None or not self._has_room(replica):
                continue
            place = next((i for i, m in enumerate(lacking) if m not in replica.host), None)
            if place is None:
                continue
            model, load_s = lacking.pop(place), next(self._storage_s)
            replica.loading, replica.loaded_s = model, now_s + load_s
            self._loading.setdefault(model, {})[replica.number] = replica
            begun.append((replica, model, load_s))
        return begun

    def _stop_loading(self, replica: Replica) -> None:
        if replica.loading is not None:
            del self._loading[replica.loading][replica.number]
            replica.loading = None

    def _has_room(self, replica: Replica) -> bool:
        return len(replica.host) < self._slots or any(
            self.copies[model] > self._wanted.get(model, 0)
            for model in replica.host
            if model != replica.held
        )

    def loaded(self, replica: Replica, model: int) -> None:
        """A background load is done, unless it gave way meanwhile."""
        if replica.loading != model:
            return
        self._stop_loading(replica)
        if model not in replica.host and self._has_room(replica):
            self.swaps["ahead"] += 1
            self._remember(replica, model)

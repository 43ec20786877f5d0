"""What every entry of the catalogue keeps, tested with its real model in this process."""

import pkgutil
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphs.catalogue import CATALOGUE
from graphs.entry import Entry, by_deployment
from graphs.steps import uses_of
from models.core.capability import Capability, ModelCard, Run, Setup
from models.core.errors import Cancelled, CapabilityError
from models.core.local_store import LocalArtifactStore

Build = Callable[[Entry], Capability[Any, Any]]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds each capability once."""
    folder: Path = tmp_path_factory.mktemp("contract")
    built: dict[str, Capability[Any, Any]] = {}

    def capability(entry: Entry) -> Capability[Any, Any]:
        if entry.served_by not in built:
            store = LocalArtifactStore(folder / "assets", min_free_bytes=0)
            place = folder / entry.served_by
            setup = Setup(store=store, device="cpu", cache_dir=place, data_dir=place)
            setup.cache_dir.mkdir()
            built[entry.served_by] = pkgutil.resolve_name(entry.model)(setup)
        return built[entry.served_by]

    return capability


each_entry = pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)


def test_names_and_routes_are_distinct_and_plain() -> None:
    assert len({entry.name for entry in CATALOGUE}) == len(CATALOGUE)
    paths = [(entry.method, p) for entry in CATALOGUE for p in (entry.route, *entry.aliases)]
    assert len(set(paths)) == len(paths)
    for entry in CATALOGUE:
        assert entry.model == by_deployment(CATALOGUE)[entry.served_by].model
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", entry.name) for entry in CATALOGUE)
    assert all(entry.route.startswith("/api/v1/") for entry in CATALOGUE)
    assert len({uses_of(entry) for entry in CATALOGUE}) == len(CATALOGUE)


@each_entry
def test_unknown_fields_are_refused_and_values_frozen(entry: Entry) -> None:
    for model in (entry.request, entry.result):
        assert model.model_config["extra"] == "forbid"
        assert model.model_config["frozen"] is True


@each_entry
def test_models_are_named_and_the_unavailable_explained(entry: Entry, build: Build) -> None:
    cards = build(entry).cards()

    assert cards
    assert all(isinstance(card, ModelCard) for card in cards)
    assert all(card.available or card.reason for card in cards)


@each_entry
def test_the_example_is_answered_with_the_result_it_promises(entry: Entry, build: Build) -> None:
    fractions: list[float] = []
    run = Run(owner="tenant", progress=lambda fraction, _stage: fractions.append(fraction))
    request = entry.request.model_validate(entry.example)
    if entry.needs:
        with pytest.raises(CapabilityError):
            build(entry).run(request, run)
        return
    result = build(entry).run(request, run)

    assert isinstance(result, entry.result)
    assert fractions == sorted(fractions)
    assert all(0 <= fraction <= 1 for fraction in fractions)


@each_entry
def test_a_run_ends_within_a_second_of_its_caller_leaving(entry: Entry, build: Build) -> None:
    wall_s, cpu_s = ended_after(entry, build(entry))
    if min(wall_s, cpu_s) >= 1.0:
        # The first run may load libraries and compile, which nothing can interrupt.
        wall_s, cpu_s = ended_after(entry, build(entry))

    # Of the time that this process had: where others compute too, a second on the clock is less.
    assert min(wall_s, cpu_s) < 1.0
    assert wall_s < 10.0


def ended_after(entry: Entry, capability: Capability[Any, Any]) -> tuple[float, float]:
    """Seconds on the clock, and of the processor, from the caller's leaving to the end of the run.

    Both are 0 if it ended before.
    """
    request = entry.request.model_validate(entry.example)
    left = threading.Event()
    left_at: list[tuple[float, float]] = []

    def leave() -> None:
        left_at.append((time.monotonic(), time.process_time()))
        left.set()

    timer = threading.Timer(0.3, leave)
    timer.start()
    try:
        capability.run(request, Run(cancelled=left.is_set))
    except Cancelled:
        pass
    except CapabilityError:
        assert entry.needs
    finally:
        timer.cancel()
    if not left_at:
        return 0.0, 0.0
    return time.monotonic() - left_at[0][0], time.process_time() - left_at[0][1]


@each_entry
def test_a_run_whose_caller_has_left_does_not_begin(entry: Entry, build: Build) -> None:
    with pytest.raises(Cancelled):
        build(entry).run(entry.request.model_validate(entry.example), Run(cancelled=lambda: True))

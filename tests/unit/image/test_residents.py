"""What is kept in memory: loads ahead of demand take nothing that is used, and are joined."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from models.core.capability import Run
from models.core.errors import CapacityExceeded
from models.image.diffusion.residents import Residents

ANYBODY = Run()


@dataclass
class Thing:
    """Something in memory."""

    name: str
    closed: bool = False

    def close(self) -> None:
        self.closed = True


def thing(name: str) -> Callable[[], Thing]:
    return lambda: Thing(name)


def use(residents: Residents[str, Thing], name: str) -> Thing:
    with residents.using(name, thing(name), ANYBODY) as served:
        return served


def never() -> Thing:
    raise AssertionError("it is in memory already")


def test_what_was_loaded_ahead_is_not_loaded_again() -> None:
    residents: Residents[str, Thing] = Residents(1)
    residents.keep("a", thing("a"))
    residents.keep("a", never)
    with residents.using("a", never, ANYBODY) as served:
        assert served.name == "a"


def test_a_request_joins_the_load_in_progress() -> None:
    residents: Residents[str, Thing] = Residents(1)
    loading, go_on, waits = threading.Event(), threading.Event(), threading.Event()

    def slow() -> Thing:
        loading.set()
        go_on.wait()
        return Thing("a")

    def asked_whether_cancelled() -> bool:
        waits.set()
        return False

    def request() -> Thing:
        with residents.using("a", never, Run(cancelled=asked_whether_cancelled)) as served:
            return served

    with ThreadPoolExecutor(2) as threads:
        load = threads.submit(residents.keep, "a", slow)
        loading.wait()
        answer = threads.submit(request)
        waits.wait()
        go_on.set()
        load.result()

        assert answer.result() is residents.loaded("a")


def test_a_load_ahead_takes_the_place_of_what_is_spare_and_idle_alone() -> None:
    residents: Residents[str, Thing] = Residents(2)
    first, second = use(residents, "a"), use(residents, "b")
    with pytest.raises(CapacityExceeded):
        residents.keep("c", never)
    residents.spare(["b"])
    with residents.using("b", never, ANYBODY), pytest.raises(CapacityExceeded):
        residents.keep("c", never)
    residents.keep("c", thing("c"))

    assert residents.kept() == ("a", "c")
    assert (first.closed, second.closed) == (False, True)


def test_a_request_takes_what_is_spare_before_what_is_unused_for_longest() -> None:
    residents: Residents[str, Thing] = Residents(2)
    for name in ("a", "b"):
        use(residents, name)
    residents.spare(["b"])
    use(residents, "c")
    use(residents, "d")

    assert residents.kept() == ("c", "d")


def test_a_request_that_waits_for_room_comes_before_a_load_ahead() -> None:
    residents: Residents[str, Thing] = Residents(1)
    waits = threading.Event()

    def asked_whether_cancelled() -> bool:
        waits.set()
        return False

    def request() -> str:
        with residents.using("b", thing("b"), Run(cancelled=asked_whether_cancelled)) as served:
            return served.name

    with ThreadPoolExecutor(1) as threads:
        with residents.using("a", thing("a"), ANYBODY):
            residents.spare(["a"])
            answer = threads.submit(request)
            waits.wait()
            with pytest.raises(CapacityExceeded):
                residents.keep("c", never)

        assert answer.result() == "b"


def test_a_load_that_fails_leaves_its_place_free() -> None:
    residents: Residents[str, Thing] = Residents(1)

    def fail() -> Thing:
        raise OSError("unreadable")

    with pytest.raises(OSError, match="unreadable"):
        residents.keep("a", fail)

    assert residents.kept() == ()
    assert use(residents, "b").name == "b"

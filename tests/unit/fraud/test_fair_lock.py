"""A long request gives way to others between its slices, and nothing is counted twice."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from models.core.capability import Run
from models.fraud.fair_lock import FairLock
from models.fraud.model import FraudModel
from models.fraud.schema import FraudRequest, Memory, Verdict


def payment(number: int) -> dict[str, Any]:
    return {
        "kind": "transaction",
        "event_id": f"e{number}",
        "at": f"2026-03-01T{number:02d}:00:00Z",
        "customer_id": "anna",
        "terminal_id": "kiosk",
        "amount": 20.0,
    }


def test_who_asked_first_is_next() -> None:
    turns, order = FairLock(), []
    asked = [threading.Event() for _ in range(3)]

    def other(number: int) -> None:
        asked[number].set()
        with turns.turn():
            order.append(number)

    threads = [threading.Thread(target=other, args=(number,)) for number in range(3)]
    with turns.turn():
        for number, thread in enumerate(threads):
            thread.start()
            asked[number].wait()
            while len(turns._waiting) <= number:  # until it stands in the queue
                asked[number].wait(0.001)
    with turns.turn():
        order.append(99)
    for thread in threads:
        thread.join()

    assert order == [0, 1, 2, 99]


def test_a_turn_that_fails_is_over() -> None:
    turns = FairLock()
    with pytest.raises(ValueError, match="as asked"), turns.turn():
        raise ValueError("as asked")

    with turns.turn():
        pass


def test_one_payment_is_judged_between_the_slices_of_a_batch(
    build: Callable[..., FraudModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.fraud.model.SLICE", 2)
    model = build()
    single = FraudRequest.model_validate(payment(2))
    between: list[Verdict] = []

    with ThreadPoolExecutor(1) as others:

        def progress(fraction: float, _stage: str) -> None:
            if fraction < 0.5:
                (found,) = others.submit(model.run, single, Run()).result(30).results
                assert isinstance(found, Verdict)
                between.append(found)

        batch = FraudRequest.model_validate({"events": [payment(n) for n in (0, 1, 2, 3, 4)]})
        answers = model.run(batch, replace(Run(), progress=progress)).results

    judged = [each for each in (*answers, *between) if isinstance(each, Verdict)]
    known = [
        each.memory.customer_payments_30d for each in judged if isinstance(each.memory, Memory)
    ]
    assert known == [0, 1, 2, 3, 4, 2]
    assert [each.duplicate for each in judged] == [False, False, True, False, False, False]

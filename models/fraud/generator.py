"""Payments of a small town that does not exist, with frauds of known kinds.

Customers live somewhere, pay near home, at their hours, amounts of their own, with their device;
now and then they travel or buy a new phone, and half of them arrive only during the record. Many
payments do not tell the device, some not the country. Five kinds of fraud are added:

- `stolen_card`: for some days a third of a customer's payments are several times the usual amount;
- `cloned_at_terminal`: for three to five weeks most cards used at a terminal are charged again
  there, for ordinary amounts;
- `card_testing`: dozens of cards are charged tiny amounts at one terminal within an hour or two;
- `cash_out`: some of the tested cards are charged large amounts elsewhere within a day;
- `account_takeover`: several payments in a row, from a new device, mostly abroad, at new places.

Fraudsters learn: the jump in amounts shrinks over time. None of it promises anything about real
payments; it is there so that weights can be shipped and every part be tested against a known truth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.core.seeds import numpy_generator
from models.fraud.features import DAY_S, HOUR_S
from models.fraud.payments import Payment

START_S = 1_767_225_600.0  # 2026-01-01
COUNTRIES = ("DE", "FR", "IT", "ES", "NL", "PL", "US", "BR")
REACH = 8.0
TOLD_DEVICE, TOLD_COUNTRY = 0.5, 0.8
Random = np.random.Generator
Floats = npt.NDArray[np.float64]


class Labelled(NamedTuple):
    """A payment and the truth about it; `scenario` is empty for a legitimate one."""

    payment: Payment
    scenario: str


@dataclass(frozen=True)
class Town:
    """How much of everything.

    Attributes:
        customers: Number of customers.
        terminals: Number of terminals.
        days: Length of the record.
        stolen_per_day: Cards stolen each day, and so on for the other kinds.
    """

    customers: int = 2_500
    terminals: int = 2_500
    days: int = 140
    stolen_per_day: float = 2.0
    cloned_per_day: float = 0.5
    testing_per_day: float = 0.25
    takeovers_per_day: float = 1.5


class _Draft(NamedTuple):
    at_s: float
    customer: int
    terminal: int
    amount: float
    device: str
    country: str
    scenario: str


@dataclass(frozen=True)
class _People:
    near: list[npt.NDArray[np.int64]]
    amount: Floats
    spread: Floats
    per_day: Floats
    hour: Floats
    country: npt.NDArray[np.int64]


def generate(town: Town, seed: int) -> list[Labelled]:
    """Payments in event time; the same seed gives the same."""
    people = _people(town, numpy_generator(seed, "people"))
    drafts: list[_Draft] = []
    for customer in range(town.customers):
        drafts += _habits(town, people, customer, numpy_generator(seed, "habits", customer))
    drafts.sort()
    drafts = _stolen(town, drafts, numpy_generator(seed, "stolen"))
    drafts += _cloned(town, drafts, numpy_generator(seed, "cloned"))
    drafts += _tested(town, people, numpy_generator(seed, "tested"))
    drafts += _taken_over(town, people, numpy_generator(seed, "takeover"))
    end_s = START_S + town.days * DAY_S
    drafts = sorted(draft for draft in drafts if draft.at_s < end_s)
    return [_finished(number, draft) for number, draft in enumerate(drafts)]


def _finished(number: int, draft: _Draft) -> Labelled:
    at_s, customer, terminal, amount, device, country, scenario = draft
    cents = max(1, round(100 * amount))
    payment = Payment(f"p{number}", at_s, f"c{customer}", f"t{terminal}", cents, device, country)
    return Labelled(payment, scenario)


def _people(town: Town, random: Random) -> _People:
    shops = random.uniform(0, 100, (town.terminals, 2))
    homes = random.uniform(0, 100, (town.customers, 2))
    near = []
    for home in homes:
        distance = np.hypot(*(shops - home).T)
        within = np.flatnonzero(distance < REACH)
        near.append(within if len(within) else np.array([int(distance.argmin())]))
    count = town.customers
    return _People(
        near=near,
        amount=random.lognormal(3.5, 0.7, count),
        spread=random.uniform(0.3, 0.6, count),
        per_day=random.gamma(2.0, 0.7, count),
        hour=random.normal(14, 3, count),
        country=random.choice(len(COUNTRIES), count, p=[0.7, *[0.3 / 7] * 7]),
    )


def _habits(town: Town, people: _People, customer: int, random: Random) -> list[_Draft]:
    count = random.poisson(people.per_day[customer] * town.days)
    day = random.integers(0, town.days, count)
    hour = np.clip(random.normal(people.hour[customer], 3, count), 0, 23.99)
    amount = people.amount[customer] * random.lognormal(0, people.spread[customer], count)
    terminal = random.choice(people.near[customer], count)
    new_phone_day = random.exponential(150)
    trip = random.uniform(0, 4 * town.days)
    away = (day > trip) & (day < trip + 9)
    home = COUNTRIES[people.country[customer]]
    abroad = COUNTRIES[int(random.integers(len(COUNTRIES)))]
    told = random.random((count, 2)) < (TOLD_DEVICE, TOLD_COUNTRY)
    arrival = random.choice([0.0, random.uniform(0, town.days)])
    return [
        _Draft(
            float(START_S + day[i] * DAY_S + round(hour[i] * HOUR_S)),
            customer,
            int(terminal[i]),
            float(amount[i]),
            f"d{customer}-{int(day[i] > new_phone_day)}" if told[i, 0] else "",
            (abroad if away[i] else home) if told[i, 1] else "",
            "",
        )
        for i in range(count)
        if day[i] >= arrival
    ]


def _events(per_day: float, town: Town, random: Random) -> Floats:
    """Starts of events, as days from the beginning."""
    return np.sort(random.uniform(0, town.days, random.poisson(per_day * town.days)))


def _grouped(drafts: list[_Draft], key: Callable[[_Draft], int]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = {}
    for index, draft in enumerate(drafts):
        groups.setdefault(key(draft), []).append(index)
    return groups


def _stolen(town: Town, drafts: list[_Draft], random: Random) -> list[_Draft]:
    changed = list(drafts)
    payments_of = _grouped(drafts, lambda draft: draft.customer)
    for day in _events(town.stolen_per_day, town, random):
        start_s = START_S + day * DAY_S
        end_s = start_s + random.uniform(4, 14) * DAY_S
        jump = 2.5 + 3 * random.random() * (1 - day / town.days / 2)
        for index in payments_of.get(int(random.integers(town.customers)), ()):
            draft = drafts[index]
            if start_s <= draft.at_s < end_s and random.random() < 1 / 3:
                changed[index] = draft._replace(amount=draft.amount * jump, scenario="stolen_card")
    return changed


def _cloned(town: Town, drafts: list[_Draft], random: Random) -> list[_Draft]:
    payments_at = _grouped(drafts, lambda draft: draft.terminal)
    added = []
    for day in _events(town.cloned_per_day, town, random):
        start_s = START_S + day * DAY_S
        end_s = start_s + random.uniform(21, 35) * DAY_S
        for index in payments_at.get(int(random.integers(town.terminals)), ()):
            draft = drafts[index]
            if start_s <= draft.at_s < end_s and random.random() < 0.8:
                again = draft._replace(
                    at_s=draft.at_s + round(random.uniform(0.2, 60) * HOUR_S),
                    amount=draft.amount * random.lognormal(0, 0.3),
                    scenario="cloned_at_terminal",
                )
                added.append(again)
    return added


def _tested(town: Town, people: _People, random: Random) -> list[_Draft]:
    added = []
    for day in _events(town.testing_per_day, town, random):
        start_s = START_S + round(day * DAY_S)
        terminal = int(random.integers(town.terminals))
        for _ in range(int(random.integers(15, 50))):
            customer = int(random.integers(town.customers))
            at_s = start_s + round(random.uniform(0, 1.5) * HOUR_S)
            country = COUNTRIES[people.country[customer]] if random.random() < TOLD_COUNTRY else ""
            tested = _Draft(
                at_s, customer, terminal, random.uniform(0.1, 2), "", country, "card_testing"
            )
            added.append(tested)
            if random.random() < 0.25:
                cash_out = tested._replace(
                    at_s=at_s + round(random.uniform(1, 24) * HOUR_S),
                    terminal=int(random.integers(town.terminals)),
                    amount=float(people.amount[customer] * random.uniform(3, 8)),
                    scenario="cash_out",
                )
                added.append(cash_out)
    return added


def _taken_over(town: Town, people: _People, random: Random) -> list[_Draft]:
    added = []
    for number, day in enumerate(_events(town.takeovers_per_day, town, random)):
        customer = int(random.integers(town.customers))
        at_s = START_S + round(day * DAY_S)
        home = COUNTRIES[people.country[customer]]
        country = home if random.random() < 0.4 else COUNTRIES[int(random.integers(8))]
        jump = random.uniform(1.2, 4)
        for _ in range(int(random.integers(3, 9))):
            at_s += round(random.exponential(0.7) * HOUR_S)
            amount = people.amount[customer] * jump * random.lognormal(0, 0.4)
            terminal = int(random.integers(town.terminals))
            draft = _Draft(
                at_s, customer, terminal, amount, f"x{number}", country, "account_takeover"
            )
            added.append(draft)
    return added

import pytest

from models.fraud.manipulation import Fill, OrderEvent, spoof_episodes, spoofers, wash_groups
from models.fraud.market_simulator import book_day, wash_day


def circle(*accounts: str, loops: int = 6, amount: float = 10.0) -> list[Fill]:
    return [
        Fill(60.0 * loop + place, accounts[(place + 1) % len(accounts)], seller, amount + loop)
        for loop in range(loops)
        for place, seller in enumerate(accounts)
    ]


@pytest.mark.parametrize("members", [("a",), ("a", "b"), ("a", "b", "c"), ("d", "c", "b", "a")])
def test_volume_that_comes_back_is_a_wash(members: tuple[str, ...]) -> None:
    assert wash_groups(circle(*members)) == {frozenset(members)}


def test_few_trades_or_trades_one_way_are_no_wash() -> None:
    one_way = [fill for fill in circle("a", "b") if fill.seller == "a"]

    assert wash_groups(circle("a", "b", loops=3)) == set()
    assert wash_groups(one_way) == set()
    assert wash_groups([]) == set()


def test_equal_volume_in_other_portions_is_no_wash() -> None:
    back = [Fill(1000.0 + n, "a", "b", 15.0 + 10 * (n == 0)) for n in range(4)]
    there = [Fill(float(n), "b", "a", 7.0) for n in range(10)]

    assert wash_groups(there + back) == set()


def spoof(account: str, at_s: float, cancel_after_s: float = 1.0) -> list[OrderEvent]:
    small, large = f"{account}{at_s}s", f"{account}{at_s}l"
    return [
        OrderEvent(at_s, account, small, "place", "buy", 1),
        OrderEvent(at_s + 1, account, large, "place", "sell", 20),
        OrderEvent(at_s + 3, account, small, "fill", "buy", 1),
        OrderEvent(at_s + 3 + cancel_after_s, account, large, "cancel", "sell", 20),
    ]


def background(count: int) -> list[OrderEvent]:
    return [OrderEvent(0.0, "h", f"h{n}", "place", "buy", 1) for n in range(count)]


def test_a_habit_of_large_orders_that_vanish_is_spoofing() -> None:
    events = background(20) + [each for n in range(3) for each in spoof("s", 100.0 * n)]

    assert spoof_episodes(events) == {"s": 3}
    assert spoofers(events) == {"s"}
    assert spoofers(events[:-4]) == set()


def test_a_large_order_that_stays_is_no_spoof() -> None:
    events = background(20) + [
        each for n in range(5) for each in spoof("s", 100.0 * n, cancel_after_s=60)
    ]

    assert spoof_episodes(events) == {}
    assert spoof_episodes([]) == {}


def test_most_of_the_guilty_and_few_others_are_named_on_simulated_days() -> None:
    right = errors = 0
    for seed in range(4):
        fills, washers = wash_day(seed)
        named = set().union(*wash_groups(fills))
        events, guilty = book_day(seed)
        right += len(named & washers)
        errors += len(named ^ washers)

        assert spoofers(events) <= guilty
        assert len(spoofers(events)) >= len(guilty) - 1
    assert 2 * right / (2 * right + errors) > 0.7


def test_a_simulated_day_is_the_same_for_the_same_seed() -> None:
    assert wash_day(7) == wash_day(7)
    assert book_day(7) == book_day(7)
    assert wash_day(7) != wash_day(8)

from datetime import UTC, datetime

import pytest

from models.core.retry import RetryPolicy, parse_retry_after

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def test_waits_double_up_to_their_ceiling():
    policy = RetryPolicy(attempts=7, base_s=1, cap_s=5, uniform=lambda _, high: high)

    assert [policy.wait_s(i, None) for i in range(7)] == [1, 2, 4, 5, 5, 5, None]


def test_jitter_uses_the_whole_interval():
    waits = [RetryPolicy(base_s=1).wait_s(0, None) for _ in range(200)]

    assert 0 <= min(waits) < 0.2
    assert 0.8 < max(waits) <= 1


def test_a_server_may_ask_for_more_but_not_for_ever():
    policy = RetryPolicy(longest_retry_after_s=10)

    assert policy.wait_s(0, 7) == 7
    assert policy.wait_s(0, 11) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 120 ", 120),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_retry_after(value, seconds):
    assert parse_retry_after(value, NOW) == seconds

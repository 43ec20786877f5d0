from dataclasses import replace

import numpy as np
import pytest

from models.core.errors import InvalidInput


def test_equal_bars_have_equal_digests_and_others_do_not(coin):
    changed = coin.close.copy()
    changed[7] = (coin.low[7] + coin.high[7]) / 2

    assert coin.part(0, 100).digest == coin.part(0, 100).digest
    assert coin.part(0, 100).digest != replace(coin, close=changed).part(0, 100).digest


def test_gaps_are_counted(coin):
    kept = np.delete(np.arange(len(coin)), [5, 6, 100])
    columns = {
        name: getattr(coin, name)[kept]
        for name in ("opens_at_ms", "open", "high", "low", "close", "volume")
    }

    assert coin.missing == 0
    assert replace(coin, **columns).missing == 3


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("close", np.nan, "not finite"),
        ("low", 0.0, "above 0"),
        ("high", 1e-3, "low <= open"),
        ("volume", -1.0, "volume"),
        ("opens_at_ms", 1, "in order"),
    ],
)
def test_what_is_no_candle_is_refused(coin, field, value, said):
    column = getattr(coin, field).copy()
    column[9] = value

    with pytest.raises(InvalidInput, match=said):
        replace(coin, **{field: column})


def test_bars_off_the_grid_are_refused(coin):
    with pytest.raises(InvalidInput, match="grid"):
        replace(coin, opens_at_ms=coin.opens_at_ms + 60_000)

import pytest

from models.crypto.candles import Candles
from models.crypto.scale_models import ScaleModels
from models.crypto.training import fit_pool
from tests.unit.crypto.drawn_market import market


@pytest.fixture(scope="session")
def coin() -> Candles:
    return market("AAA", 4200, 1)


@pytest.fixture(scope="session")
def trained() -> ScaleModels:
    hours = fit_pool([market("BBB", 3000, 2), market("CCC", 3000, 3)])
    days = fit_pool([market("BBB", 700, 4, "1d"), market("CCC", 700, 5, "1d")])
    return ScaleModels(pools={"1h": hours, "1d": days}, members={})

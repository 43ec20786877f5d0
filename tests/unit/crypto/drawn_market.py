import numpy as np

from models.crypto.candles import Candles


def market(symbol: str, bars: int, seed: int, interval: str = "1h", deviation: float = 0.006):
    """Bars whose log variance wanders slowly and is higher at noon: what HAR is made for."""
    generator = np.random.default_rng(seed)
    step = 3_600_000 if interval == "1h" else 86_400_000
    log_scale = np.zeros(bars)
    for bar in range(1, bars):
        log_scale[bar] = 0.98 * log_scale[bar - 1] + 0.12 * generator.standard_normal()
    hour = np.arange(bars) % 24
    scale = deviation * np.exp(log_scale + (0.4 * np.sin(2 * np.pi * hour / 24)))
    steps = generator.standard_t(5, (bars, 12)) * scale[:, None] / np.sqrt(12 * 5 / 3)
    within = np.cumsum(steps, axis=1)
    closes = np.cumsum(within[:, -1])
    opens = np.concatenate([[0.0], closes[:-1]])
    inside = np.concatenate([np.zeros((bars, 1)), within], axis=1) + opens[:, None]
    return Candles(
        symbol,
        interval,
        1_600_128_000_000 // 86_400_000 * 86_400_000 + step * np.arange(bars),
        100 * np.exp(opens),
        100 * np.exp(inside.max(1)),
        100 * np.exp(inside.min(1)),
        100 * np.exp(closes),
        generator.lognormal(8, 0.5, bars),
        source="drawn",
        synthetic=True,
    )

"""Features of a payment, from what was known when it happened: one code for training and serving.

NaN means "not known" throughout. A payment that nobody has reported within `LABEL_DELAY_S` counts
as legitimate from then on; a reported one counts as fraud from then on, however soon the report.
"""

import math

from models.fraud.history import HISTORY_S, History, Report
from models.fraud.payments import Payment

HOUR_S, DAY_S = 3_600.0, 86_400.0
LABEL_DELAY_S = 7 * DAY_S
RUN_GAP_S = 21 * DAY_S
ENOUGH = 3
NEVER = math.nan
PRIOR_RISK, PRIOR_WEIGHT = 0.008, 20.0

PAYMENT_FEATURES = ("amount", "hour", "weekend", "night")
CUSTOMER_FEATURES = (
    "customer_count_1h",
    "customer_count_6h",
    "customer_count_1d",
    "customer_count_7d",
    "customer_count_30d",
    "customer_mean_1d",
    "customer_mean_7d",
    "customer_mean_30d",
    "customer_gap_h",
    "customer_ratio",
    "customer_ratio_60d",
    "customer_z_60d",
    "customer_z_old",
    "customer_odd_14d",
    "customer_frauds",
    "customer_fraud_days",
    "customer_history_days",
    "customer_new_device",
    "customer_new_country",
)
TERMINAL_FEATURES = (
    "terminal_count_1h",
    "terminal_count_1d",
    "terminal_ratio_1d",
    "terminal_amount_z",
    "terminal_known_1d",
    "terminal_known_7d",
    "terminal_known_30d",
    "terminal_risk_1d",
    "terminal_risk_7d",
    "terminal_risk_30d",
    "terminal_risk_90d",
    "terminal_last3",
    "terminal_frauds",
    "terminal_fraud_days",
    "terminal_run_frauds",
    "terminal_run_start_days",
    "terminal_run_end_days",
    "terminal_quiet_since_run",
    "terminal_unknown_days",
    "terminal_fine_before_run_days",
)
NAMES = PAYMENT_FEATURES + CUSTOMER_FEATURES + TERMINAL_FEATURES
"""The order of every feature vector; new ones come last, so that older records can be read."""


def features_of(payment: Payment, customer: History, terminal: History) -> tuple[list[float], int]:
    """Features of a payment before it joins the histories.

    Returns:
        Values in the order of `NAMES`, and the amount over the customer's usual one in
        thousandths, 1000 where too little is known.
    """
    of_customer, ratio = _customer(payment, customer)
    values = [*_payment(payment), *of_customer, *_terminal(payment, terminal)]
    return values, 1000 if math.isnan(ratio) else min(10**6, round(1000 * ratio))


def _payment(payment: Payment) -> tuple[float, float, float, float]:
    day, second = divmod(payment.at_s, DAY_S)
    hour = second / HOUR_S
    weekend = float((int(day) + 3) % 7 >= 5)  # 1970-01-01 was a Thursday
    return payment.cents / 100, hour, weekend, float(hour <= 6)


def _customer(payment: Payment, history: History) -> tuple[list[float], float]:
    now, cents, since = payment.at_s, payment.cents, history.since
    end = history.until(now)
    first = since(now - HISTORY_S, end)
    days_1, days_7, days_14, days_30, days_60 = (
        since(now - days * DAY_S, end) for days in (1, 7, 14, 30, 60)
    )
    usual = history.usual(first, end)
    ratio = cents / usual if end - first >= ENOUGH and usual > 0 else NEVER
    mean_60 = history.mean(days_60, end)
    known = [fraud for fraud in history.frauds if _known(fraud, now)]
    return [
        end - since(now - HOUR_S, end),
        end - since(now - 6 * HOUR_S, end),
        end - days_1,
        end - days_7,
        end - days_30,
        history.mean(days_1, end) / 100,
        history.mean(days_7, end) / 100,
        history.mean(days_30, end) / 100,
        (now - history.times[end - 1]) / HOUR_S if end > first else NEVER,
        ratio,
        cents / mean_60 if mean_60 > 0 else NEVER,
        _z(cents, mean_60, history.deviation(days_60, end)),
        _z(cents, history.mean(first, days_14), history.deviation(first, days_14)),
        history.odd(days_14, end),
        len(known),
        (now - known[-1].at_s) / DAY_S if known else NEVER,
        (now - history.times[first]) / DAY_S if end > first else 0.0,
        _new(payment.device, "device:" + payment.device, history, now),
        _new(payment.country, "country:" + payment.country, history, now),
    ], ratio


def _terminal(payment: Payment, history: History) -> list[float]:
    now, since = payment.at_s, history.since
    end = history.until(now)
    first = since(now - HISTORY_S, end)
    day = since(now - DAY_S, end)
    known = [fraud for fraud in history.frauds if _known(fraud, now)]
    return [
        end - since(now - HOUR_S, end),
        end - day,
        history.mean_ratio(day, end),
        _z(payment.cents, history.mean(first, end), history.deviation(first, end)),
        *_delayed(history, known, now, end),
        len(known),
        (now - known[-1].at_s) / DAY_S if known else NEVER,
        *_run(history, known, now, first, end),
    ]


def _delayed(history: History, known: list[Report], now: float, end: int) -> list[float]:
    """Counts and shares of fraud among payments old enough to be known."""
    ripe = now - LABEL_DELAY_S
    until = history.since(ripe, end)
    starts = [
        history.since(max(ripe - days * DAY_S, now - HISTORY_S), until) for days in (1, 7, 30, 90)
    ]
    counts = [until - start for start in starts]
    if not known:
        risks = [0.0 if count else NEVER for count in counts[:3]]
        return [*counts[:3], *risks, _smoothed(0, counts[3]), 0.0]
    times = history.times
    frauds = [
        sum(f.at_s >= times[start] for f in known) if start < until else 0 for start in starts
    ]
    risks = [
        fraud / count if count else NEVER
        for fraud, count in zip(frauds[:3], counts[:3], strict=True)
    ]
    third = max(0, until - 3)
    last_3 = sum(f.at_s >= times[third] for f in known) if until else 0
    return [*counts[:3], *risks, _smoothed(frauds[3], counts[3]), last_3]


def _run(history: History, known: list[Report], now: float, first: int, end: int) -> list[float]:
    """The latest run of frauds with ordinary amounts: these speak against the terminal itself.

    Nobody can have reported yet what began since the latest payment that is old enough to be known:
    the longer ago that is, the likelier is a run that has just begun. The payment before a run
    tells when it began at the earliest.
    """
    ripe = history.until(now - LABEL_DELAY_S)
    unknown = (now - history.times[ripe - 1]) / DAY_S if ripe > first else NEVER
    start = last = NEVER
    count = 0
    for fraud in known:
        if fraud.odd:
            continue
        if not count or fraud.at_s - last > RUN_GAP_S:
            start, count = fraud.at_s, 0
        last, count = fraud.at_s, count + 1
    if not count:
        return [0.0, NEVER, NEVER, NEVER, unknown, NEVER]
    quiet = ripe - history.until(last)
    before = history.since(start, end)
    fine = (now - history.times[before - 1]) / DAY_S if before > first else NEVER
    return [count, (now - start) / DAY_S, (now - last) / DAY_S, max(0, quiet), unknown, fine]


def _known(fraud: Report, now: float) -> bool:
    return fraud.known_at_s <= now and now - HISTORY_S <= fraud.at_s


def _smoothed(frauds: int, count: int) -> float:
    return (frauds + PRIOR_RISK * PRIOR_WEIGHT) / (count + PRIOR_WEIGHT)


def _z(value: float, mean: float, deviation: float) -> float:
    return (value - mean) / deviation if deviation > 0 else NEVER


def _new(given: str, mark: str, history: History, now: float) -> float:
    """1 if a device or country was never seen before, 0 if it was, NaN if it is not told."""
    if not given or not history.times:
        return NEVER
    return float(history.first_seen.get(mark, math.inf) > now)

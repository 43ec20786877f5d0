"""Why a payment was scored as it was, in sentences that quote the value."""

import math
from collections.abc import Sequence
from typing import Literal

from models.core.capability import Value
from models.fraud.features import NAMES

Method = Literal["shapley", "path", "distance"]
TOP = 3

TEXTS: dict[str, tuple[str, str]] = {
    "amount": ("AMOUNT", "the amount is {:.2f}"),
    "hour": ("TIME", "it is {:.1f} h after midnight, UTC"),
    "weekend": ("TIME", "it is the weekend"),
    "night": ("TIME", "it is night, UTC"),
    "customer_count_1h": ("CUSTOMER_PACE", "{:.0f} earlier payments of the customer in 1 h"),
    "customer_count_6h": ("CUSTOMER_PACE", "{:.0f} earlier payments of the customer in 6 h"),
    "customer_count_1d": ("CUSTOMER_PACE", "{:.0f} earlier payments of the customer in 1 day"),
    "customer_count_7d": ("CUSTOMER_PACE", "{:.0f} earlier payments of the customer in 7 days"),
    "customer_count_30d": ("CUSTOMER_PACE", "{:.0f} earlier payments of the customer in 30 days"),
    "customer_mean_1d": ("CUSTOMER_AMOUNTS", "the customer's mean over 1 day is {:.2f}"),
    "customer_mean_7d": ("CUSTOMER_AMOUNTS", "the customer's mean over 7 days is {:.2f}"),
    "customer_mean_30d": ("CUSTOMER_AMOUNTS", "the customer's mean over 30 days is {:.2f}"),
    "customer_gap_h": ("CUSTOMER_PACE", "{:.1f} h since the customer's last payment"),
    "customer_ratio": ("AMOUNT_FOR_CUSTOMER", "the amount is {:.1f} x the customer's usual"),
    "customer_ratio_60d": ("AMOUNT_FOR_CUSTOMER", "the amount is {:.1f} x the mean of 60 days"),
    "customer_z_60d": (
        "AMOUNT_FOR_CUSTOMER",
        "the amount is {:.1f} standard deviations above the customer's mean of 60 days",
    ),
    "customer_z_old": (
        "AMOUNT_FOR_CUSTOMER",
        "the amount is {:.1f} standard deviations above the customer's mean before the last 14 days",
    ),
    "customer_odd_14d": ("CUSTOMER_ODD", "{:.0f} odd amounts of the customer in 14 days"),
    "customer_frauds": ("CUSTOMER_FRAUD", "{:.0f} known frauds of the customer in 90 days"),
    "customer_fraud_days": ("CUSTOMER_FRAUD", "{:.1f} days since the customer's last known fraud"),
    "customer_history_days": ("CUSTOMER_AGE", "{:.1f} days of history of the customer"),
    "customer_new_device": ("NEW_DEVICE", "the device was not seen with this customer before"),
    "customer_new_country": ("NEW_COUNTRY", "the country was not seen with this customer before"),
    "terminal_count_1h": ("TERMINAL_PACE", "{:.0f} earlier payments at the terminal in 1 h"),
    "terminal_count_1d": ("TERMINAL_PACE", "{:.0f} earlier payments at the terminal in 1 day"),
    "terminal_ratio_1d": (
        "TERMINAL_AMOUNTS",
        "payments at the terminal in 1 day are {:.2f} x what their customers usually pay",
    ),
    "terminal_amount_z": (
        "AMOUNT_FOR_TERMINAL",
        "the amount is {:.1f} standard deviations above the terminal's mean",
    ),
    "terminal_known_1d": ("TERMINAL_PACE", "{:.0f} payments at the terminal 7 to 8 days ago"),
    "terminal_known_7d": ("TERMINAL_PACE", "{:.0f} payments at the terminal 7 to 14 days ago"),
    "terminal_known_30d": ("TERMINAL_PACE", "{:.0f} payments at the terminal 7 to 37 days ago"),
    "terminal_risk_1d": (
        "TERMINAL_FRAUD",
        "share of fraud at the terminal 7 to 8 days ago: {:.3f}",
    ),
    "terminal_risk_7d": (
        "TERMINAL_FRAUD",
        "share of fraud at the terminal 7 to 14 days ago: {:.3f}",
    ),
    "terminal_risk_30d": (
        "TERMINAL_FRAUD",
        "share of fraud at the terminal 7 to 37 days ago: {:.3f}",
    ),
    "terminal_risk_90d": ("TERMINAL_FRAUD", "smoothed share of fraud at the terminal: {:.3f}"),
    "terminal_last3": (
        "TERMINAL_FRAUD",
        "{:.0f} frauds among the terminal's last 3 known payments",
    ),
    "terminal_frauds": ("TERMINAL_FRAUD", "{:.0f} known frauds at the terminal in 90 days"),
    "terminal_fraud_days": ("TERMINAL_FRAUD", "{:.1f} days since the terminal's last known fraud"),
    "terminal_run_frauds": (
        "TERMINAL_RUN",
        "{:.0f} frauds of ordinary amounts in the terminal's latest run",
    ),
    "terminal_run_start_days": ("TERMINAL_RUN", "the terminal's latest run began {:.1f} days ago"),
    "terminal_run_end_days": (
        "TERMINAL_RUN",
        "{:.1f} days since the last known fraud of the terminal's latest run",
    ),
    "terminal_quiet_since_run": (
        "TERMINAL_RUN",
        "{:.0f} payments without fraud since the terminal's latest run",
    ),
    "terminal_unknown_days": (
        "TERMINAL_PACE",
        "{:.1f} days since the terminal's latest payment that is old enough to be known",
    ),
    "terminal_fine_before_run_days": (
        "TERMINAL_RUN",
        "{:.1f} days since the payment before the terminal's latest run",
    ),
}
"""A code and a sentence for each feature."""

DENIED: dict[str, str] = {
    "weekend": "it is not the weekend",
    "night": "it is not night, UTC",
    "customer_new_device": "the device was seen with this customer before",
    "customer_new_country": "the country was seen with this customer before",
}
"""What is said of a feature that is true or false where it is false."""

UNKNOWN: dict[str, str] = {
    "CUSTOMER_AMOUNTS": "no recent payments of the customer to take a mean of",
    "CUSTOMER_PACE": "no earlier payment of the customer is known",
    "CUSTOMER_FRAUD": "no fraud of the customer is known",
    "AMOUNT_FOR_CUSTOMER": "too few earlier payments of the customer to compare the amount with",
    "customer_ratio_60d": "no payments of the customer in 60 days to compare the amount with",
    "customer_z_60d": "too few payments of the customer in 60 days to tell how odd the amount is",
    "customer_z_old": "too few payments of the customer before the last 14 days to compare with",
    "AMOUNT_FOR_TERMINAL": "too few earlier payments at the terminal to compare the amount with",
    "TERMINAL_AMOUNTS": "no recent payments at the terminal to compare with what is usual",
    "TERMINAL_FRAUD": "nothing is known yet of frauds at the terminal",
    "TERMINAL_RUN": "no run of frauds at the terminal is known",
    "TERMINAL_PACE": "no payment at the terminal is old enough to be known",
    "NEW_DEVICE": "whether the device is new to the customer is not known",
    "NEW_COUNTRY": "whether the country is new to the customer is not known",
}
"""What is said of a feature that is not known, by its name or else its code."""


class Reason(Value):
    """A feature that raised the score.

    Attributes:
        code: Of the kind of reason; stays what it is when models change.
        feature: Its name.
        value: Of the feature; absent if not known.
        contribution: Its share of the score.
        method: `shapley` is exact, `path` follows the trees' paths and is approximate, `distance`
            compares a flow with normal ones.
        text: For people.
    """

    code: str
    feature: str
    value: float | None
    contribution: float
    method: Method
    text: str


def reasons_of(
    values: Sequence[float], contributions: Sequence[float], method: Method
) -> tuple[Reason, ...]:
    """The features that raised the score most, at most three."""
    ranked = sorted(range(len(NAMES)), key=lambda i: -contributions[i])[:TOP]
    return tuple(
        _reason(NAMES[i], float(values[i]), float(contributions[i]), method)
        for i in ranked
        if contributions[i] > 0
    )


def _reason(feature: str, value: float, contribution: float, method: Method) -> Reason:
    code, sentence = TEXTS[feature]
    unknown = math.isnan(value)
    if unknown:
        sentence = UNKNOWN.get(feature) or UNKNOWN.get(code, f"not known: {feature}")
    elif not value:
        sentence = DENIED.get(feature, sentence)
    return Reason(
        code=code,
        feature=feature,
        value=None if unknown else round(value, 4),
        contribution=round(contribution, 4),
        method=method,
        text=sentence.format(value),
    )

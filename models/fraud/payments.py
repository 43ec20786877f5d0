"""The payment as features and state see it."""

from typing import NamedTuple


class Payment(NamedTuple):
    """One payment.

    Attributes:
        event_id: Unique for its owner.
        at_s: Event time, seconds since 1970.
        customer: Who pays.
        terminal: Where.
        cents: Amount.
        device: What was paid with, empty if unknown.
        country: Where the customer was, empty if unknown.
    """

    event_id: str
    at_s: float
    customer: str
    terminal: str
    cents: int
    device: str = ""
    country: str = ""

"""The memory of one owner's payments, from which features are read."""

from collections import defaultdict
from typing import NamedTuple

from models.fraud.features import LABEL_DELAY_S, features_of
from models.fraud.history import ODD_PERMILLE, History, Past, Report
from models.fraud.payments import Payment


class Accepted(NamedTuple):
    """A payment, and its amount over the customer's usual one when it was accepted."""

    payment: Payment
    permille: int


class Velocity:
    """Histories by customer and by terminal."""

    def __init__(self) -> None:
        self._customers: defaultdict[str, History] = defaultdict(History)
        self._terminals: defaultdict[str, History] = defaultdict(History)

    def features(self, payment: Payment) -> tuple[list[float], Accepted]:
        """Features of a payment that is not part of the memory yet."""
        customer, terminal = self._customers[payment.customer], self._terminals[payment.terminal]
        values, permille = features_of(payment, customer, terminal)
        return values, Accepted(payment, permille)

    def accept(self, accepted: Accepted) -> None:
        """Make a payment part of the memory; the caller sees to it that each comes once."""
        payment = accepted.payment
        customer, terminal = self._customers[payment.customer], self._terminals[payment.terminal]
        past = Past(payment.at_s, payment.cents, accepted.permille)
        customer.add(past)
        terminal.add(past)
        if payment.device:
            customer.see("device:" + payment.device, payment.at_s)
        if payment.country:
            customer.see("country:" + payment.country, payment.at_s)

    def report_fraud(self, accepted: Accepted, reported_at_s: float) -> Report:
        """Let a fraud influence later decisions, once its delay has passed."""
        payment = accepted.payment
        known_at_s = max(reported_at_s, payment.at_s + LABEL_DELAY_S)
        report = Report(payment.at_s, known_at_s, accepted.permille > ODD_PERMILLE)
        self._customers[payment.customer].report(report)
        self._terminals[payment.terminal].report(report)
        return report

    def take_back(self, accepted: Accepted, report: Report) -> None:
        """Forget a report that was wrong."""
        payment = accepted.payment
        self._customers[payment.customer].take_back(report)
        self._terminals[payment.terminal].take_back(report)

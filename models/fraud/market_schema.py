"""Windows of trades and of orders, as callers send them."""

from typing import Annotated, Literal

from pydantic import Field

from models.core.capability import Value

MAX_TRADES = 20_000
MAX_ORDERS = 20_000

Name = Annotated[str, Field(min_length=1, max_length=128)]
Millis = Annotated[int, Field(ge=0, le=4_102_444_800_000, description="since 1970, UTC")]
Positive = Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)]


class Trade(Value):
    """One trade; the accounts are what wash trades are found by."""

    at_ms: Millis
    price: Positive
    amount: Positive
    taker_buy: bool = Field(description="the buyer took; false if the seller did")
    buyer: Name | None = None
    seller: Name | None = None


class MarketTrades(Value):
    """Trades of one pair since the window before; several hours are remembered.

    The same `event_id` sent again is answered again and counted once.
    """

    kind: Literal["market_trades"]
    event_id: Name
    symbol: Name
    venue: Name = "-"
    trades: tuple[Trade, ...] = Field(min_length=1, max_length=MAX_TRADES)


class OrderUpdate(Value):
    """Something that happened to an order."""

    at_ms: Millis
    account: Name
    order_id: Name
    action: Literal["place", "fill", "cancel"]
    side: Literal["buy", "sell"]
    amount: Positive = Field(description="what is placed, filled or cancelled")


class OrderBook(Value):
    """What happened to the orders of one pair within some hours; nothing is remembered."""

    kind: Literal["order_book"]
    event_id: Name
    symbol: Name
    venue: Name = "-"
    orders: tuple[OrderUpdate, ...] = Field(min_length=1, max_length=MAX_ORDERS)

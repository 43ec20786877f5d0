"""What requests, results and records are made of."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """Base of every request and result: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

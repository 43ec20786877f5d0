"""How stored bytes are answered over HTTP, as pure functions of RFC 9110 and RFC 9111.

Request headers and what is known of an asset go in; status, headers and slices come out.
No socket, no file: any server can send the result.
"""

from models.delivery.answer import Answer, Part, Slice, answer, not_found
from models.delivery.representation import Representation
from models.delivery.signing import Grant, checked_grant, signed_target
from models.delivery.targets import asset_of

__all__ = [
    "Answer",
    "Grant",
    "Part",
    "Representation",
    "Slice",
    "answer",
    "asset_of",
    "checked_grant",
    "not_found",
    "signed_target",
]

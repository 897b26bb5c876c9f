"""What can go wrong in a conversation, before any HTTP library has a name for it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TypeAlias


class Trouble(Enum):
    """Why the client fails, if not by the app's own exception."""

    READ_TIMEOUT = "the app was silent for longer than the read timeout"
    WRITE_TIMEOUT = "the app did not receive for the write timeout"
    CLIENT_CLOSED = "the client was closed meanwhile"
    LOST_UPLOADING = "a fault made the client go while it sent its request"
    LOST = "a fault made the client go"
    BAD_RESPONSE = "the app's response ends too early, or is too long"
    UNDECODABLE = "the body is not in the content coding that it is said to be in"
    CONSUMED = "the body is read by somebody else"


#: Makes of a trouble, and of a text that tells of it, the exception that the client raises.
MakeError: TypeAlias = Callable[[Trouble, str], Exception]

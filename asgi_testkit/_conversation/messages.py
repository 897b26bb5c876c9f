"""MessageSource: the messages of a WebSocket session, for its steps."""

from __future__ import annotations

import json
from typing import Any

from .._protocol.payload import Data
from .arrivals import Deadline
from .step import EndedError, Source
from .websocket import WebSocketConnection


class MessageSource(Source[Data]):
    """What comes of a connection."""

    noun = "message"
    conversation: WebSocketConnection

    def __init__(self, connection: WebSocketConnection) -> None:
        self.conversation = connection
        self.arrivals = connection.arrivals

    def view(self, arrival: Data) -> Data:
        """Return the message itself, text or bytes."""
        return arrival

    def json(self, arrival: Data) -> Any:
        """Return what its JSON stands for, whether it is text or bytes."""
        return json.loads(arrival)

    async def fetch(self, after: int, deadline: Deadline) -> bool:
        """Wait for a message; see `Source.fetch`."""
        connection = self.conversation
        connection.home.check()
        if not deadline.begin():
            return False
        try:
            in_time = await connection.comes(deadline, after)
        except connection.disconnect_class as error:
            raise EndedError(str(error).removeprefix(f"{connection.name}: ")) from error
        self.arrivals.add(connection.take_all())
        return in_time

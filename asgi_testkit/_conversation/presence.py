"""Presence: how an app notices that its client is there, or that it has gone."""

from __future__ import annotations

import anyio
import anyio.lowlevel

from .._errors import ClientDisconnected
from .._protocol.options import duration
from .wakeup import Wakeup


class Presence:
    """What a conversation knows of its client's presence, and the waits of the app that end with it."""

    name: str
    _for_app: Wakeup  # something to receive, room to send, the client's departure
    for_client: Wakeup
    _raises_after_disconnect: bool
    _listening = 0  # calls of the app that wait now, and that a disconnect ends
    _sending = 0  # calls of the app that are held back in send()
    _told = False  # whether one of them has told the app of the disconnect
    _disconnected = False
    _lost: Exception | None = None  # what a fault that has made the client go is to the client

    @property
    def listening(self) -> bool:
        """Whether the app waits for something that a disconnect ends."""
        return self._listening > 0

    def lose(self, error: Exception, by: str) -> None:  # noqa: ARG002 - of a WebSocket, more is told
        """Have the client go, as a fault wants it: the app sees that it has gone, and the client's call raises `error`.

        Args:
            error: That.
            by: Which fault it was, for other errors.
        """
        self._lost = error
        self._disconnected = True
        self._for_app.fire()
        self.for_client.fire()

    async def dawdle(self, seconds: float) -> None:
        """Hold the app back in ``send()`` for some seconds, or until the client has gone."""
        until = anyio.current_time() + seconds
        while not self._disconnected and (left := until - anyio.current_time()) > 0:
            await self._hold_back(duration(left, "seconds"))

    async def _listen(self, timeout: float | None = None) -> None:
        self._listening += 1
        try:
            await self._for_app.wait(timeout)
        finally:
            self._listening -= 1

    async def _hold_back(self, timeout: float | None = None) -> None:
        self._sending += 1
        try:
            await (self._listen(timeout) if self._raises_after_disconnect else self._for_app.wait(timeout))
        finally:
            self._sending -= 1

    async def _tell(self) -> None:
        """Note that the app is told of the disconnect. One that asks for ever must let the loop go on meanwhile."""
        if self._told:
            await anyio.lowlevel.checkpoint()
        self._told = True

    async def _send_to_nobody(self) -> None:
        if self._raises_after_disconnect:
            await self._tell()
            msg = f"{self.name}: the client has gone"
            raise ClientDisconnected(msg)
        # Not at once: an app that sends for ever would not let the loop go on, nor could it be cancelled.
        await anyio.lowlevel.checkpoint()

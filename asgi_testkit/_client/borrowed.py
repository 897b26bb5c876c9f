"""BorrowedTransport: what a client sends its requests over that acts for another user, beside the one that made it."""

from __future__ import annotations

from typing import Any, Self


class BorrowedTransport:
    """Passes requests on to a transport of another client, which alone closes it.

    It serves an awaited client and a blocking one, whichever the transport is for.
    """

    def __init__(self, transport: Any, owner: Any) -> None:
        """Borrow `transport` of `owner`, a client."""
        self._transport = transport
        self._owner = owner

    def _check(self) -> None:
        if self._owner.is_closed:
            msg = f"{self._owner!r} was closed, and so was what acting_as() has made of it"
            raise RuntimeError(msg)

    def handle_request(self, request: Any) -> Any:
        """Send a request."""
        self._check()
        return self._transport.handle_request(request)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request."""
        self._check()
        return await self._transport.handle_async_request(request)

    def close(self) -> None:
        """Leave it open, as the next ones do."""

    async def aclose(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

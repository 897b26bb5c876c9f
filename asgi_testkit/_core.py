"""What the two clients share: an app, the transport to it, and its lifespan while a client is open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from ._handshake import offer
from ._http import HTTPLibrary
from ._lifespan import LifespanManager
from ._tasks import HomeLoop, checkpoint
from ._transport import MESSAGE_LEVEL, AppTransport
from ._types import LifespanMode

#: What a client is called in ``user-agent`` and in ``scope["client"]``, as Starlette's.
CLIENT_NAME = "testclient"


def with_user_agent(headers: Any, http: HTTPLibrary) -> httpx.Headers:
    """Return `headers`, whatever the library takes for them, with a user-agent."""
    result = http.Headers(headers)
    result.setdefault("user-agent", CLIENT_NAME)
    return result


def handshake(subprotocols: Sequence[str] | None, options: dict[str, Any], http: HTTPLibrary) -> dict[str, Any]:
    """Return the options of a request that opens a session, given those that a test wants it to have.

    Raises:
        TypeError: `subprotocols` is one string; several are meant.
        ValueError: One of them has characters that a subprotocol cannot have.
    """
    headers: Any = offer(subprotocols)
    if options.get("headers"):
        headers = http.Headers(headers)
        headers.update(options["headers"])
    extensions = {**(options.get("extensions") or {}), MESSAGE_LEVEL: True}
    return {**options, "headers": headers, "extensions": extensions}


def sending_options(options: dict[str, Any]) -> dict[str, Any]:
    """Take out of the options of a request those that say how it is sent, as opposed to built, and return them."""
    sending = {}
    if "auth" in options:
        sending["auth"] = options.pop("auth")
    if "follow_redirects" in options:
        sending["follow_redirects"] = options.pop("follow_redirects")
    return sending


class ClientCore:
    """The asynchronous part of a client: `AsyncClient` awaits it, `TestClient` calls it from another thread.

    Attributes:
        transport: Runs the app.
    """

    def __init__(
        self,
        transport: AppTransport[Any, Any],
        *,
        lifespan: LifespanMode,
        startup_timeout: float | None,
        shutdown_timeout: float | None,
    ) -> None:
        self.transport = transport
        self._lifespan_options = (startup_timeout, shutdown_timeout, lifespan)
        self._manager = self._new_manager()

    def _new_manager(self) -> LifespanManager:
        startup_timeout, shutdown_timeout, lifespan = self._lifespan_options
        return LifespanManager(self.transport.app, startup_timeout, shutdown_timeout, lifespan=lifespan)

    async def open(self, owner: str) -> None:
        """Run the app's startup. `owner` is what errors call the client.

        Raises:
            LifespanError: The startup failed; see `LifespanManager`.
        """
        manager = self._new_manager()
        await manager.__aenter__()
        self._manager = manager
        self.transport.state = manager.state
        self.transport.home = HomeLoop(owner)

    def check_loop(self) -> None:
        """Check that the running event loop is the one that the client was opened in, if it was.

        Raises:
            WrongEventLoopError: It is another.
        """
        if self.transport.home is not None:
            self.transport.home.check()

    async def close(self, reason: BaseException | None) -> None:
        """See the requests to their end, then run the app's shutdown.

        Args:
            reason: The exception that is under way. What goes wrong is told beside it, not instead.

        Raises:
            WrongEventLoopError: The client was opened in another event loop.
            BaseException: What an app raised that no call has raised yet, or what the shutdown raised.
        """
        self.check_loop()
        try:
            await self.transport.settle(reason)
        except BaseException as error:
            await self._shut_down(error)
            raise
        await self._shut_down(reason)
        if reason is None:
            await checkpoint()

    async def _shut_down(self, reason: BaseException | None) -> None:
        try:
            await self._manager.__aexit__(None, reason, None)
        finally:
            self.transport.home = None
            self.transport.state = {}

    def unclosed(self) -> str:
        """Say what is left to close; empty if nothing is."""
        left = ["the lifespan of its app"] if self._manager.running else []
        return ", ".join(left + self.transport.running())

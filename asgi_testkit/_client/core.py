"""ClientCore: starts up and shuts down a client's app, and the server that it is on, if it is on one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._conversation.lifespan import Lifespan, RunningApp
from .._conversation.loop import HomeLoop, checkpoint
from .._errors import tell_beside
from .._types import LifespanMode
from .transport import AppTransport


class ClientCore:
    """Starts up and shuts down a client's app. `AsyncClient` awaits it, `TestClient` calls it from another thread.

    Attributes:
        transport: Runs the app.
    """

    def __init__(
        self,
        transport: AppTransport[Any, Any],
        startup_timeout: float | None,
        shutdown_timeout: float | None,
        lifespan: LifespanMode,
    ) -> None:
        self.transport = transport
        self._timeouts = startup_timeout, shutdown_timeout
        self._mode = lifespan
        self._manager = self._new_manager()

    def _new_manager(self) -> Lifespan:
        runs_already = isinstance(self.transport.app, RunningApp)  # and its state goes into each scope as it is then
        return self._heard(
            Lifespan(self.transport.app, *self._timeouts, lifespan="off" if runs_already else self._mode)
        )

    def _heard(self, manager: Lifespan) -> Lifespan:
        manager.listener = self.transport.recorder
        return manager

    @property
    def state(self) -> Mapping[str, Any]:
        """What the app keeps in the state of its lifespan, or of the one that runs elsewhere."""
        app = self.transport.app
        return app.state if isinstance(app, RunningApp) else self._manager.state

    async def open(self, owner: str) -> None:
        """Run the app's startup, as `LifespanManager` does. `owner` is what errors call the client."""
        manager = self._new_manager()
        await manager.__aenter__()
        self._manager = manager
        self.transport.state = manager.state
        if self.transport.gateway is not None:
            try:
                await self.transport.gateway.start()
            except BaseException as error:
                await self._shut_down(error)
                raise
        self.transport.home = HomeLoop(owner)

    def check_loop(self) -> None:
        """Check that the running event loop is the one that the client was opened in, if it was."""
        if self.transport.home is not None:
            self.transport.home.check()

    async def close(self, reason: BaseException | None) -> None:
        """See the requests to their end, then run the app's shutdown.

        What goes wrong is told beside `reason`, the exception that is under way, not instead.
        """
        self.check_loop()
        try:
            await self.transport.settle(reason)
        except BaseException as error:
            await self._end(error)
            raise
        await self._end(reason)
        if reason is None:
            await checkpoint()

    async def _end(self, reason: BaseException | None) -> None:
        """Stop the server, if there is one, and shut the app down."""
        try:
            if self.transport.gateway is not None:
                await self.transport.gateway.stop(grace=self.transport.disconnect_grace)
        except BaseException as error:
            if reason is None or not isinstance(error, Exception):
                await self._shut_down(error)
                raise
            tell_beside(reason, error)
        await self._shut_down(reason)

    async def _shut_down(self, reason: BaseException | None) -> None:
        try:
            await self._manager.__aexit__(None, reason, None)
        finally:
            self.transport.home = None
            self.transport.state = {}

    def forget_loop(self) -> None:
        """Forget the loop that it was opened in, which has died, and the lifespan with it."""
        if self.transport.home is not None:
            self.transport.home = None
            self._manager = self._new_manager()
        if self.transport.gateway is not None:
            self.transport.gateway.forget()

    def unclosed(self) -> str:
        """Say what is left to close; empty if nothing is."""
        left = ["the lifespan of its app"] if self._manager.running else []
        if self.transport.gateway is not None and self.transport.gateway.serving is not None:
            left.append("its server")
        return ", ".join(left + self.transport.running())

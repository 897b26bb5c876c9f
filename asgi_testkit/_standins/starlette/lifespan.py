"""The lifespan of the drop-in for Starlette's TestClient."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from ..._client.core import ClientCore
from ..._conversation.lifespan import Lifespan
from ..._errors import LifespanError, LifespanTimeout
from ..._protocol.app import as_single_callable
from ..._types import ASGIApp, Receive, Scope, Send


class StarletteCore(ClientCore):
    """The lifespan as Starlette's client runs it: one state for good, and an app has to support it.

    Attributes:
        app: The app whose lifespan it is.
        app_state: What the app keeps in ``scope["state"]``.
        task: The app's lifespan, as a future of ``concurrent.futures``. Cancelling it has no effect.
    """

    task: Future[None]

    def __init__(self, transport: Any, *options: Any) -> None:
        self.app: ASGIApp = transport.app
        self.app_state: dict[str, Any] = {}
        super().__init__(transport, *options)
        transport.state = self.app_state

    def _new_manager(self) -> Lifespan:
        manager = Lifespan(self._lifespan, *self._timeouts, lifespan=self._mode)
        manager.state = self.app_state
        manager.stand_in = True
        return self._heard(manager)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = self.task
        try:
            await as_single_callable(self.app)(scope, receive, send)
        except BaseException as error:
            task.set_exception(error)
            raise
        task.set_result(None)

    async def open(self, owner: str) -> None:
        """Run the app's startup. What the app raises is raised, be it that it does not support lifespan."""
        self.task = Future()
        self.task.set_running_or_notify_cancel()  # so that it cannot be cancelled: that would not end the lifespan
        cause = None
        state = self.transport.state
        try:
            await super().open(owner)
        except LifespanError as error:
            cause = error.__cause__
            if cause is None:
                raise
        self.transport.state = state
        if cause is not None:
            raise cause

    async def _shut_down(self, reason: BaseException | None) -> None:
        state = self.transport.state
        try:
            await super()._shut_down(reason)
        except LifespanTimeout:
            raise
        except LifespanError:
            pass  # the app has said that it failed, and has raised nothing: Starlette's client takes no notice
        finally:
            self.transport.state = state

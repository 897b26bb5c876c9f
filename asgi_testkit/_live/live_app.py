"""LiveApp: an app on a server, with its lifespan, for clients that are none of ours."""

from __future__ import annotations

import ssl as tls
from collections.abc import Mapping
from typing import Any

from .._conversation.lifespan import Lifespan, RunningApp
from .._conversation.loop import HomeLoop
from .._errors import tell_beside
from .._protocol.app import as_single_callable
from .._protocol.options import check_grace
from .._types import ASGIApp, LifespanMode, Receive, Scope, Send, ServerFactory, ServerName
from .gateway import Gateway
from .servers import server_of
from .serving import Serving


class LiveApp:
    """An app on a server, in the loop that starts it. `LiveServer` is what tests have of it."""

    def __init__(
        self,
        app: ASGIApp,
        server: ServerName | ServerFactory,
        *,
        ssl: tls.SSLContext | None,
        http2: bool,
        lifespan: LifespanMode,
        startup_timeout: float | None,
        shutdown_timeout: float | None,
        root_path: str,
        disconnect_grace: float,
    ) -> None:
        """Prepare it; the arguments are those of `LiveServer`."""
        check_grace(disconnect_grace)
        self.app = app
        self.tls: bool = ssl is not None
        self._lifespan_options = startup_timeout, shutdown_timeout
        self._mode: LifespanMode = "off" if isinstance(app, RunningApp) else lifespan
        self.lifespan: Lifespan = self._new_lifespan()
        self._call = as_single_callable(app)
        self._root_path = root_path
        self._grace = disconnect_grace
        self._gateway = Gateway(
            server_of(server, context=ssl, http2=http2), self._serve_guest, context=ssl, http2=http2
        )
        self._home: HomeLoop | None = None

    def _new_lifespan(self) -> Lifespan:
        return Lifespan(self.app, *self._lifespan_options, lifespan=self._mode)

    @property
    def serving(self) -> Serving | None:
        """The server, while it runs."""
        return self._gateway.serving

    @property
    def state(self) -> Mapping[str, Any]:
        """What the app keeps in the state of its lifespan."""
        return self.app.state if isinstance(self.app, RunningApp) else self.lifespan.state

    async def _serve_guest(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.update(root_path=self._root_path, state=dict(self.state))
        await self._call(scope, receive, send)

    async def start(self) -> None:
        """Start the app up, and the server."""
        self.lifespan = self._new_lifespan()  # each is good for one run
        await self.lifespan.__aenter__()
        try:
            await self._gateway.start()
        except BaseException as error:
            await self.lifespan.__aexit__(None, error, None)
            raise
        self._home = HomeLoop("LiveServer")

    async def stop(self, reason: BaseException | None) -> None:
        """Stop the server, and shut the app down. What goes wrong is told beside `reason`, if there is one."""
        if self._home is not None:
            self._home.check()
        try:
            await self._gateway.stop(grace=self._grace)
        except BaseException as error:
            if reason is None or not isinstance(error, Exception):
                await self.lifespan.__aexit__(None, error, None)
                raise
            tell_beside(reason, error)
        await self.lifespan.__aexit__(None, reason, None)

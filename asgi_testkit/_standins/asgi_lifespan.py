"""A stand-in for the manager of asgi-lifespan, ``asgi_lifespan.LifespanManager``.

What is raised, and what the app is told, is as asgi-lifespan has it, wherever a test could tell the difference. Where
its manager would wait for a message until its timeout, though the app has returned or failed without one, this one
raises at once.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from asgi_lifespan import LifespanNotSupported

from .._client.lifespan import LifespanManager as OurLifespanManager
from .._conversation.loop import asyncio_runs
from .._errors import LifespanError
from .._protocol.lifespan import State
from .._types import ASGIApp, Message, Receive, Scope, Send, SingleCallable


class LifespanUnansweredError(LifespanError, LifespanNotSupported, TimeoutError):
    """The app did not, and will not, report that its startup or shutdown is complete.

    asgi-lifespan waits until its timeout then, which is why this is a ``TimeoutError``.
    """


class LifespanManager(OurLifespanManager):
    """Runs the lifespan of an app around a block, as ``asgi_lifespan.LifespanManager`` does.

    To enter it raises `LifespanNotSupported` where the app failed before it asked for ``lifespan.startup``, and
    `LifespanUnansweredError` where it returned without ``lifespan.startup.complete``.

    Attributes:
        state: What the app keeps in ``scope["state"]``; the very dict that it was given.
    """

    stand_in = True

    def __init__(self, app: ASGIApp, startup_timeout: float | None = 5, shutdown_timeout: float | None = 5) -> None:
        """Prepare to run the lifespan of `app`, which has to speak it. The timeouts are as ours: seconds, or None."""
        super().__init__(app, startup_timeout, shutdown_timeout)

    @cached_property
    def app(self) -> SingleCallable:
        """The app, with `state` in each scope: not a copy, but the very dict."""
        call, state = self._call, self.state

        async def app_with_state(scope: Scope, receive: Receive, send: Send, /) -> None:
            scope["state"] = state
            await call(scope, receive, send)

        return app_with_state

    @property
    def _state(self) -> dict[str, Any]:  # asgi-lifespan's, which has no public name for it
        return self.state

    async def __aexit__(
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
    ) -> None:
        """Shut the app down; or cancel it, without a word, where the block has failed.

        Raises:
            LifespanUnansweredError: The app returned without ``lifespan.shutdown.complete``.
            LifespanTimeout: A ``TimeoutError``: the shutdown took too long. The text shows where the app is suspended.
            BaseException: What the app raised since its startup, as it is, even where the block has failed. On trio,
                the two come in an exception group.
        """
        if exc_value is None:
            await super().__aexit__()
            if self._protocol.state is not State.STOPPED:
                raise self._failure("the application returned without lifespan.shutdown.complete")
            return
        assert self.home is not None
        self.home.check()
        self.supported = False
        await self._running_task.end(grace=0)
        error = self._running_task.exception
        if error is None:
            return
        if not asyncio_runs():
            msg = "the block and the application have failed"
            raise BaseExceptionGroup(msg, [exc_value, error])
        raise error

    def _go_without(self, error: BaseException | None) -> None:
        if error is None:
            raise self._failure("the application returned without lifespan.startup.complete")
        msg = (
            f"the application raised {error!r} before it received anything. It does not support lifespan, if it "
            "raises that on purpose; else the cause, above, shows where it fails."
        )
        raise LifespanNotSupported(msg) from error

    async def _send(self, message: Message) -> None:
        if not self._received:
            msg = f"the application sent {message['type']} before it received anything. Does it look at scope['type']?"
            raise LifespanNotSupported(msg)
        if self._protocol.expects(message):  # theirs takes no notice of anything else
            await super()._send(message)

    def _failure(self, text: str, message: str = "") -> LifespanError:
        return LifespanUnansweredError(text, phase=self._phase, message=message)

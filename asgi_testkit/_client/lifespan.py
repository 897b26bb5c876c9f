"""LifespanManager: the lifespan of an app by itself, for several clients."""

from __future__ import annotations

from .._conversation.lifespan import Lifespan
from .._conversation.observer import Observer
from .._record.recorder import Recorder
from .._record.recording import Recording
from .._types import ASGIApp, LifespanMode, public


@public
class LifespanManager(Recording, Lifespan):
    """Runs the lifespan of an app around a block: ``async with LifespanManager(app) as manager: ...``.

    The app's startup and shutdown run in one task of their own, in the event loop that enters the block, so enter, use
    and exit may happen in different tasks. Several clients can share the running app, through `app`.

    Attributes:
        state: What the app keeps in ``scope["state"]``; the very dict that it was given.
        scope: The scope that the app was called with, once entered.
        supported: Whether the app speaks lifespan, once entered.
        home: The event loop that it was entered in.
    """

    def __init__(
        self,
        app: ASGIApp,
        startup_timeout: float | None = 5,
        shutdown_timeout: float | None = 5,
        *,
        lifespan: LifespanMode = "auto",
        record: bool = False,
    ) -> None:
        """Prepare to run the lifespan of `app`.

        Args:
            app: An ASGI application.
            startup_timeout: Seconds that the startup may take; None for no limit.
            shutdown_timeout: Seconds that the shutdown may take; None for no limit.
            lifespan: What to do with an app that raises on the lifespan scope before it has received anything, or that
                returns without a word: ``"auto"`` does without, as a server, and logs a warning with what was raised;
                ``"on"`` takes it for an error. ``"off"`` does not ask.
            record: Whether what goes on is kept, in copies and in bounds, for `transcript`.

        Raises:
            TypeError: `app` is not an ASGI application, or a timeout no number.
            ValueError: `lifespan` is none of the three, or a timeout is NaN.
        """
        super().__init__(app, startup_timeout, shutdown_timeout, lifespan=lifespan)
        self._recorder: Recorder | None = Recorder() if record else None
        self.listener: Observer | None = self._recorder

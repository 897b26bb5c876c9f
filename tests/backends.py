"""The event loops that every asynchronous test runs on."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, NamedTuple


class Backend(NamedTuple):
    """A backend as ``anyio.run`` takes it."""

    id: str
    name: str
    options: dict[str, Any]


BACKENDS = [
    Backend("asyncio", "asyncio", {}),
    Backend("uvloop", "asyncio", {"use_uvloop": True}),
    Backend("trio", "trio", {}),
]
if sys.version_info >= (3, 12):  # pragma: 3.12+

    def eager_loop() -> asyncio.AbstractEventLoop:
        """Make an asyncio loop that starts every task at once, not only ours."""
        loop = asyncio.new_event_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        return loop

    BACKENDS.insert(1, Backend("eager", "asyncio", {"loop_factory": eager_loop}))

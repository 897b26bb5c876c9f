"""Finds the line at which a coroutine is suspended, for error messages."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, Awaitable, Generator, Iterator
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

#: How many frames of a suspended app an error shows.
FRAMES_SHOWN = 6

#: Whose frames an error leaves out at the inner end: everything that waits does so in one of these.
_WAITING_ROOMS = frozenset({"anyio", "asyncio", "trio", "uvloop", __name__.partition(".")[0]})

# What a suspended frame can be waiting for, the objects between two frames included.
_WAITED_FOR = (Awaitable, AsyncGenerator, Generator)


def where_suspended(coroutine: Any, *, leave_out: str) -> str:
    """Say where a coroutine is suspended: its innermost frames, one a line, but for those of the module `leave_out`.

    Below the last frame that is neither an event loop library's nor this package's own, none is shown.
    """
    frames = [frame for frame in _frames(coroutine) if frame.f_globals.get("__name__") != leave_out]
    shown = len(frames)
    while shown and str(frames[shown - 1].f_globals.get("__name__")).partition(".")[0] in _WAITING_ROOMS:
        shown -= 1
    frames = (frames[:shown] or frames)[-FRAMES_SHOWN:]
    lines = [f'  File "{f.f_code.co_filename}", line {f.f_lineno}, in {f.f_code.co_qualname}' for f in frames]
    return "\n".join(["suspended at:", *lines]) if lines else "not suspended anywhere"


def _frames(awaitable: Any) -> Iterator[FrameType]:
    """Yield the frames of a suspended coroutine, outermost first, and of the asyncio tasks that it waits for."""
    seen: set[int] = set()  # an awaitable of the app's own making may lead back to where we came from
    while awaitable is not None and id(awaitable) not in seen:
        seen.add(id(awaitable))
        if isinstance(awaitable, CoroutineType):
            frame, awaitable = awaitable.cr_frame, awaitable.cr_await
        elif isinstance(awaitable, GeneratorType):
            frame, awaitable = awaitable.gi_frame, awaitable.gi_yieldfrom
        elif isinstance(awaitable, AsyncGeneratorType):
            frame, awaitable = awaitable.ag_frame, awaitable.ag_await
        elif hasattr(awaitable, "get_coro"):
            awaitable = awaitable.get_coro()
            continue
        else:  # asend(), anext() and the like do not say what they drive; the collector knows
            awaitable = next((item for item in gc.get_referents(awaitable) if isinstance(item, _WAITED_FOR)), None)
            continue
        if frame is not None:
            yield frame

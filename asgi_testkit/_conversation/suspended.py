"""Finds the lines at which an app stands, for error messages: its own, in its tasks and in the threads that it uses.

What an app starts runs in a copy of its context, and is found by a mark in that. To look at tasks, threads and what
they hold is otherwise nobody's business; it is done here alone, when an error is to be told, and never raises.
"""

from __future__ import annotations

import gc
import linecache
import sys
import sysconfig
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Container, Generator, Iterable, Iterator
from contextlib import suppress
from contextvars import Context, ContextVar
from functools import lru_cache
from pathlib import Path
from types import AsyncGeneratorType, BuiltinFunctionType, CoroutineType, FrameType, GeneratorType
from typing import Any

from .loop import running_tasks

#: How many frames of a suspended app an error shows, where none is of the user's own code.
FRAMES_SHOWN = 6

#: How many of the user's frames an error shows of a task or a thread, and of how many of these.
OWN_FRAMES_SHOWN = 3
PLACES_SHOWN = 4

#: Whose frames an error leaves out at the inner end: everything that waits does so in one of these.
_WAITING_ROOMS = frozenset({"anyio", "asyncio", "trio", "uvloop", __name__.partition(".")[0]})

#: What sysconfig calls the folders of the standard library, and of what is installed.
_INSTALLED = {"stdlib", "platstdlib", "purelib", "platlib"}

#: What is not the user's own code: these, and this package.
_NOT_OWN = [
    *(Path(folder).resolve() for kind, folder in sysconfig.get_paths().items() if kind in _INSTALLED),
    Path(__file__).resolve().parent.parent,
]

# What a suspended frame can be waiting for, the objects between two frames included.
_WAITED_FOR = (Awaitable, AsyncGenerator, Generator)

#: How many of a thread's outermost frames, and how far from their variables, its context is looked for.
_OUTERMOST = 8
_FAR = 4

#: How much is looked into, and how much a container may hold.
_LARGE = 50

#: The calls of apps that something runs within: apps may call apps.
_calls: ContextVar[tuple[object, ...]] = ContextVar("asgi_testkit: the calls of apps", default=())


def mark(context: Context) -> object:
    """Mark a context as that of a call of an app, and return the mark, by which `where_suspended` finds the copies."""
    marked = object()
    context.run(_calls.set, (*context.get(_calls, ()), marked))
    return marked


def where_suspended(coroutine: Any, marked: object = None, *, leave_out: Container[str] = ()) -> str:
    """Say where an app is suspended: the user's own lines, of its threads, its tasks, and its own task at last.

    Where none is the user's own, the innermost frames of its own task are shown, without those of modules in
    `leave_out`.
    """
    frames = [frame for frame in _frames(coroutine) if frame.f_globals.get("__name__") not in leave_out]
    own = _told(frames)
    others: list[list[str]] = []
    with suppress(Exception):  # what is looked at there is nobody's promise
        others = list(_elsewhere(marked, {id(frame) for frame in frames}))
    if not (own or others):
        return _innermost(frames)
    heading = ["  in its own task:"] if own and others else []
    lines = [line for place in others[: PLACES_SHOWN - bool(own)] for line in place]
    return "\n".join(["suspended at:", *lines, *heading, *own])


def _elsewhere(marked: object, shown: set[int]) -> Iterator[list[str]]:
    """Yield what there is to say of the threads and the tasks that work for an app, but for frames that are shown."""
    tasks = list(running_tasks())
    if not tasks:
        return  # there is no loop here, and nobody to ask
    chains = (list(_frames(task)) for task, context in tasks if marked in context.get(_calls, ()))
    children = Counter("\n".join(_told(chain)) for chain in chains if shown.isdisjoint(map(id, chain)))
    threads = Counter("\n".join(_told(chain)) for chain in _threads(marked))
    for noun, places in (("thread", threads), ("task", children)):
        for told, count in sorted(places.items()):
            if told:
                yield [f"  in a {noun}:" if count == 1 else f"  in {count} {noun}s:", *told.split("\n")]


def _threads(marked: object) -> Iterator[list[FrameType]]:
    """Yield the frames, the outermost first, of other threads that run something in a marked context."""
    here = {id(frame) for frame in _chain(sys._getframe())}  # noqa: SLF001
    for innermost in sys._current_frames().values():  # noqa: SLF001 - nothing public tells of another thread's frames
        chain = _chain(innermost)[::-1]
        if id(chain[0]) not in here:
            contexts = (context for frame in chain[:_OUTERMOST] for context in _contexts(frame.f_locals.values()))
            if any(marked in context.get(_calls, ()) for context in contexts):
                yield chain


def _chain(frame: FrameType | None) -> list[FrameType]:
    chain = []
    while frame is not None:
        chain.append(frame)
        frame = frame.f_back
    return chain


def _contexts(things: Iterable[Any]) -> Iterator[Context]:
    """Yield the contexts among the variables of a frame, and near them: in a job, a partial, a bound method."""
    seen: set[int] = set()
    near = list(things)
    for _ in range(_FAR):
        holders = []
        for thing in near:
            if isinstance(thing, Context):
                yield thing
            elif id(thing) not in seen and _may_hold(thing):
                seen.add(id(thing))
                holders.append(thing)
        near = gc.get_referents(*holders[:_LARGE])
    yield from (thing for thing in near if isinstance(thing, Context))


def _may_hold(thing: Any) -> bool:
    if isinstance(thing, dict | list | tuple | set | frozenset):
        return len(thing) <= _LARGE
    return isinstance(thing, BuiltinFunctionType) or not (isinstance(thing, type) or hasattr(thing, "__globals__"))


def _told(frames: list[FrameType]) -> list[str]:
    """Return the lines that tell of the user's own frames among some; none if there are none."""
    own = [frame for frame in frames if _is_own(frame.f_code.co_filename)]
    lines = []
    for frame in own[-OWN_FRAMES_SHOWN:]:
        lines.append(_line(frame))
        source = linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals).strip()
        lines += [f"    {source}"] if source else []
    if own and own[-1] is not frames[-1]:
        called = frames[frames.index(own[-1]) + 1]
        module = called.f_globals.get("__name__")
        lines.append(f"  waiting in {module}.{called.f_code.co_qualname}, line {called.f_lineno}")
    return lines


@lru_cache(maxsize=1024)
def _is_own(file: str) -> bool:
    if file.startswith("<"):  # generated, or frozen
        return False
    path = Path(file).resolve()
    return "site-packages" not in path.parts and not any(map(path.is_relative_to, _NOT_OWN))


def _innermost(frames: list[FrameType]) -> str:
    shown = len(frames)
    while shown and str(frames[shown - 1].f_globals.get("__name__")).partition(".")[0] in _WAITING_ROOMS:
        shown -= 1
    lines = [_line(frame) for frame in (frames[:shown] or frames)[-FRAMES_SHOWN:]]
    return "\n".join(["suspended at:", *lines]) if lines else "not suspended anywhere"


def _line(frame: FrameType) -> str:
    return f'  File "{frame.f_code.co_filename}", line {frame.f_lineno}, in {frame.f_code.co_qualname}'


def _frames(awaitable: Any) -> Iterator[FrameType]:
    """Yield the frames of a suspended coroutine, outermost first, and of the asyncio tasks that it waits for."""
    seen: set[int] = set()  # an awaitable of the app's own making may lead back to where we came from
    while awaitable is not None and id(awaitable) not in seen:
        seen.add(id(awaitable))
        if isinstance(awaitable, CoroutineType):
            frame, awaitable = awaitable.cr_frame, awaitable.cr_await
        elif isinstance(awaitable, GeneratorType):
            frame, awaitable = awaitable.gi_frame, awaitable.gi_yieldfrom
            if frame is not None and awaitable is None:  # it may drive a coroutine step by step
                awaitable = next((each for each in frame.f_locals.values() if isinstance(each, CoroutineType)), None)
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

"""Tells what an app does wrong from what only comes of the client's departure."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from .._errors import ClientDisconnected, note, tell_beside

#: What frameworks make of ``ClientDisconnected``: exceptions of their own, by package.
_DEPARTURES = {
    "starlette": {"ClientDisconnect", "WebSocketDisconnect"},
    "falcon": {"WebSocketDisconnected"},
    "lilya": {"ClientDisconnect", "WebSocketDisconnect"},
}

#: What servers raise out of ``send()`` in its place.
_OF_SERVERS = {"uvicorn": {"ClientDisconnected"}}


def is_departure(error: BaseException) -> bool:
    """Whether `error` only passes on what ``send()`` said of the client's departure, as it is or as a framework has it.

    What an app raises by itself while it deals with that is a failure of its own.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_departure(inner) for inner in error.exceptions)
    if _is_out_of_send(error):
        return True
    return names_departure(error) and _is_out_of_send(error.__cause__ or error.__context__)


def _is_out_of_send(error: BaseException | None) -> bool:
    return isinstance(error, ClientDisconnected) or _is_named(error, _OF_SERVERS)


def is_farewell(message: Any) -> bool:
    """Whether `message` closes a WebSocket connection. Most servers do not mind that the client was faster."""
    return isinstance(message, Mapping) and message.get("type") == "websocket.close"


def names_departure(error: BaseException) -> bool:
    """Whether `error` is what a framework makes of the client's departure, whatever has led to it."""
    return _is_named(error, _DEPARTURES)


def _is_named(error: BaseException | None, names: Mapping[str, AbstractSet[str]]) -> bool:
    return any(kind.__name__ in names.get(kind.__module__.partition(".")[0], ()) for kind in type(error).__mro__)


def tell_failure(reason: BaseException, failure: BaseException, *, disconnected: bool) -> None:
    """Tell beside `reason` what an app has raised: in a line, where it was told that the client is gone and says so."""
    if disconnected and names_departure(failure):
        note(reason, f"The application raised {failure!r}, as the client had gone.")
    else:
        tell_beside(reason, failure)

"""The shapes of ASGI, typed loosely enough that any framework's app fits."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from socket import socket
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

#: An ASGI 3 callable, or the double callable of ASGI 2. The parameters are ``Any`` on purpose: frameworks
#: type their scopes and messages each in its own way, and a narrower type here would reject most of them.
ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[Any]] | Callable[[Any], Any]

#: ``"wait"``: a call returns when the app has returned, so background tasks have run.
#: ``"detach"``: it returns at the end of the body, as a server's client does.
Background: TypeAlias = Literal["wait", "detach"]

#: ``"auto"``: an app that does not speak lifespan does without. ``"on"``: that is an error. ``"off"``: not asked.
LifespanMode: TypeAlias = Literal["auto", "on", "off"]

#: IP address (or any name) and port of the peer.
Address: TypeAlias = tuple[str, int]

#: The servers that are known by name.
ServerName: TypeAlias = Literal["uvicorn", "hypercorn", "anycorn"]


class SingleCallable(Protocol):
    """An ASGI 3 application."""

    def __call__(self, scope: Any, receive: Any, send: Any, /) -> Awaitable[Any]:
        """Handle one connection."""


#: Runs a server: called with the app, which speaks lifespan, and with a socket that is bound and listens. It is entered
#: when the server is to start, has started it when it yields, and is left when the server is to stop.
ServerFactory: TypeAlias = Callable[[SingleCallable, socket], AbstractAsyncContextManager[object]]


def public(kind: type[T], door: str = __package__) -> type[T]:
    """Have a class say that it is of the module from which users import it, and not of the one that defines it."""
    kind.__annotations__ = inspect.get_annotations(kind, eval_str=True)  # whose names the door does not have
    kind.__module__ = door
    return kind

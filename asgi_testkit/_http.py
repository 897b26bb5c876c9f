"""The HTTP library at work: httpx, or httpx2, which goes on where httpx has stopped and has the same names.

Whoever makes the request chooses. This package imports httpx; httpx2 it meets in the requests that come its way. So
only the classes that are made for one of them name its classes at run time. All else asks for the library of the
request, or of the client, and takes the class from there; or httpx's, where either would do. A class of ours that has
to be one of the library's as well, such as a stream, is written without that base, and gets it here.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol, TypeVar, cast

import httpx

T = TypeVar("T")

#: Classes of the library, for what is written once for both.
URL = TypeVar("URL")
Request = TypeVar("Request")
Response = TypeVar("Response")
Cookies = TypeVar("Cookies")

#: Each with the library below it, that of its network streams.
_LIBRARIES = {"httpx": "httpcore", "httpx2": "httpcore2"}


class HTTPLibrary(Protocol):
    """What this package uses of the library, by the names that it has in both."""

    AsyncByteStream: type[httpx.AsyncByteStream]
    AsyncClient: type[httpx.AsyncClient]
    ByteStream: type[httpx.ByteStream]
    Client: type[httpx.Client]
    Cookies: type[httpx.Cookies]
    Headers: type[httpx.Headers]
    LocalProtocolError: type[httpx.LocalProtocolError]
    ReadError: type[httpx.ReadError]
    ReadTimeout: type[httpx.ReadTimeout]
    RemoteProtocolError: type[httpx.RemoteProtocolError]
    Request: type[httpx.Request]
    RequestError: type[httpx.RequestError]
    RequestNotRead: type[httpx.RequestNotRead]
    Response: type[httpx.Response]
    SyncByteStream: type[httpx.SyncByteStream]
    Timeout: type[httpx.Timeout]
    URL: type[httpx.URL]
    USE_CLIENT_DEFAULT: Any
    WriteTimeout: type[httpx.WriteTimeout]

    def __hash__(self) -> int: ...


def library_of(thing: Any) -> HTTPLibrary:
    """Return the library, a module, that a request, a response or a client is of, or is derived from.

    Raises:
        TypeError: It is of neither.
    """
    return _library_of(type(thing))  # type: ignore[arg-type]  # types are hashable


@lru_cache
def _library_of(kind: type) -> HTTPLibrary:
    for base in kind.__mro__:
        if is_library(base.__module__):
            name = base.__module__.partition(".")[0]
            return cast("HTTPLibrary", httpx if name == httpx.__name__ else sys.modules[name])
    msg = f"something of httpx or of httpx2 is expected, and {kind!r} is of neither"
    raise TypeError(msg)


def is_library(module: str) -> bool:
    """Whether a module of this name is one of the libraries, or is in it."""
    return module.partition(".")[0] in _LIBRARIES


@lru_cache
def network_of(library: HTTPLibrary) -> Any:
    """Return httpcore, or what the library has in its place."""
    return import_module(_LIBRARIES[cast("Any", library).__name__])


@lru_cache
def derived(kind: type[T], library: Any, base: str) -> type[T]:
    """Return `kind`, derived from the class that the library has by the name of `base` as well."""
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(kind.__name__, (kind, getattr(library, base)), names)

"""Finds out whether a request, a response or a client is of httpx or of httpx2, its successor with the same names.

Whoever makes the request chooses. This package imports httpx; httpx2 it meets in the requests that come its way. So
only the classes that are made for one of them name its classes. All else asks for the library of the request, or of the
client, and takes the class from there; or httpx's, where either would do. A class of ours that has to be one of the
library's as well, such as a stream, is written without that base, and gets it here.

Tests put fakes in the place of the library's names, for what their app does with them. Those are not for us: a name is
looked up once, and httpx's when this module is imported.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from typing import Any, ClassVar, Protocol, TypeVar, cast

import httpx
from httpx import AsyncBaseTransport as HTTPXTransport
from httpx import AsyncClient as HTTPXAsyncClient
from httpx import Client as HTTPXClient

from .._conversation.errors import Trouble

__all__ = ["HTTPXAsyncClient", "HTTPXClient", "HTTPXTransport"]

T = TypeVar("T")

#: Classes of the library, for what is written once for both.
URL = TypeVar("URL")
Request = TypeVar("Request")
Response = TypeVar("Response")
Cookies = TypeVar("Cookies")

#: Each with the library below it, that of its network streams.
LIBRARIES = {"httpx": "httpcore", "httpx2": "httpcore2"}


class HTTPLibrary(Protocol):
    """The names of httpx, or httpx2, that this package uses."""

    AsyncByteStream: type[httpx.AsyncByteStream]
    AsyncClient: type[httpx.AsyncClient]
    AsyncHTTPTransport: type[httpx.AsyncHTTPTransport]
    BaseTransport: type[httpx.BaseTransport]
    ByteStream: type[httpx.ByteStream]
    Client: type[httpx.Client]
    ConnectError: type[httpx.ConnectError]
    Cookies: type[httpx.Cookies]
    DecodingError: type[httpx.DecodingError]
    HTTPTransport: type[httpx.HTTPTransport]
    Headers: type[httpx.Headers]
    LocalProtocolError: type[httpx.LocalProtocolError]
    ReadError: type[httpx.ReadError]
    ReadTimeout: type[httpx.ReadTimeout]
    RemoteProtocolError: type[httpx.RemoteProtocolError]
    Request: type[httpx.Request]
    RequestError: type[httpx.RequestError]
    RequestNotRead: type[httpx.RequestNotRead]
    Response: type[httpx.Response]
    StreamConsumed: type[httpx.StreamConsumed]
    SyncByteStream: type[httpx.SyncByteStream]
    Timeout: type[httpx.Timeout]
    URL: type[httpx.URL]
    USE_CLIENT_DEFAULT: Any
    WriteError: type[httpx.WriteError]
    WriteTimeout: type[httpx.WriteTimeout]

    def __hash__(self) -> int: ...


class Names:
    """The public names of a module, each looked up once: what a test patches later is not for us."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self._module), name)
        if getattr(value, "__module__", self._module).partition(".")[0] != self._module and not _is_root(value, name):
            msg = (
                f"{self._module}.{name} is {value!r}, which a test has put there. "
                "Import what you need of asgi_testkit before you patch, at the top of the test module or conftest.py"
            )
            raise ImportError(msg)
        setattr(self, name, value)
        return value


def _is_root(value: Any, name: str) -> bool:
    """Whether a value is a class of this name, and derived from none, as one of the library's may be.

    It need not say that it is of the library: openai has some of httpx2's say that they are its own.
    """
    return isinstance(value, type) and value.__name__ == name and value.__bases__ == (object,)


@lru_cache
def library(module: str) -> HTTPLibrary:
    """Return the library that is imported by this name."""
    return cast("HTTPLibrary", Names(module))


def bound(module: str) -> HTTPLibrary:
    """Return the library of this name, all of its names looked up: an ImportError if one is not the library's own."""
    names = library(module)
    for name in HTTPLibrary.__annotations__:
        getattr(names, name)
    return names


def _met(module: str) -> HTTPLibrary:
    """Return the library of this name, as many of its names looked up as are its own."""
    with suppress(ImportError):
        bound(module)
    return library(module)


def library_of(thing: Any) -> HTTPLibrary:
    """Return the library that a request, a response or a client is of, or is derived from."""
    return library_of_class(type(thing))  # type: ignore[arg-type]  # types are hashable


@lru_cache
def library_of_class(kind: type) -> HTTPLibrary:
    """Return the library that a class is of, or is derived from a class of."""
    return _met(base_in_library(kind).__module__.partition(".")[0])


def base_in_library(kind: type) -> Any:
    """Return the class of a library that `kind` is, or is derived from.

    Raises:
        TypeError: There is none.
    """
    for base in kind.__mro__:
        if is_library(base.__module__):
            return base
    msg = f"something of httpx or of httpx2 is expected, and {kind!r} is of neither"
    raise TypeError(msg)


def is_library(module: str) -> bool:
    """Whether a module of this name is one of the libraries, or is in it."""
    return module.partition(".")[0] in LIBRARIES


#: What the library calls the troubles of a conversation.
_ERRORS = {
    Trouble.READ_TIMEOUT: "ReadTimeout",
    Trouble.WRITE_TIMEOUT: "WriteTimeout",
    Trouble.CLIENT_CLOSED: "ReadError",
    Trouble.LOST_UPLOADING: "WriteError",
    Trouble.LOST: "ReadError",
    Trouble.BAD_RESPONSE: "RemoteProtocolError",
    Trouble.UNDECODABLE: "DecodingError",
}


def error_for(request: Any, trouble: Trouble, text: str) -> Exception:
    """Return the exception of the library of a request that stands for a trouble."""
    if trouble is Trouble.CONSUMED:
        return library_of(request).StreamConsumed()  # which has a text of its own
    error: Exception = getattr(library_of(request), _ERRORS[trouble])(text, request=request)
    return error


@lru_cache
def network_of(library: HTTPLibrary) -> Any:
    """Return httpcore, or what the library has in its place."""
    return Names(LIBRARIES[library.ByteStream.__module__.partition(".")[0]])


class OfLibrary:
    """Has a class of the library as a base as well, without naming it, and gets at what that does by itself."""

    #: The library that it is of.
    _library: ClassVar[HTTPLibrary]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if any(is_library(base.__module__) for base in cls.__mro__):
            cls._library = library_of_class(cls)  # type: ignore[arg-type]  # types are hashable

    @property
    def _library_s(self) -> Any:
        return super()


@lru_cache
def derived(kind: type[T], library: Any, base: str) -> type[T]:
    """Return `kind`, derived from the class that the library has by the name of `base` as well."""
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(kind.__name__, (kind, getattr(library, base)), names)


#: httpx; or httpx2, where that was put into its place before.
HTTPX = bound(httpx.__name__)
for _name in {module.__name__ for module in map(sys.modules.get, LIBRARIES) if module is not None}:
    bound(_name)

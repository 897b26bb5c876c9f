"""The keyword options of the two clients, and of their ``send``, for type checkers."""

from __future__ import annotations

from ssl import SSLContext
from typing import Any, Literal, TypedDict

from .._protocol.expectation import GivenStatus
from .._protocol.options import TransportOptions
from .._types import ServerFactory, ServerName


class ClientOptions(TransportOptions, total=False):
    """The options of a client that are its transport's, that the library's client takes, and that a server needs."""

    auth: Any
    params: Any
    timeout: Any
    event_hooks: Any
    mounts: Any
    max_redirects: int
    default_encoding: Any
    limits: Any
    trust_env: bool
    verify: Any
    cert: Any
    proxy: Any
    http1: bool
    http2: bool

    # what the client judges
    expect_status: GivenStatus

    # with a real server
    live: ServerName | ServerFactory | Literal[False] | None
    ssl: SSLContext | None


class SendOptions(TypedDict, total=False):
    """What ``send`` takes besides the request, as the library's."""

    stream: bool
    auth: Any
    follow_redirects: Any

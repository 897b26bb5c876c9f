"""One row of the table: what an app and a client do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .call import Step
from .client import READ, Part, Request

#: The servers, in the order of the tables. uvicorn's are named by what parses its requests.
SERVERS = ("uvicorn-h11", "uvicorn-httptools", "uvicorn-zttp", "hypercorn", "anycorn", "granian", "daphne")

#: The client under test, as a server's client: ``raise_server_exceptions=False, background="detach"``.
OURS = "asgi-testkit"

#: The client under test as it is by default.
BY_DEFAULT = "asgi-testkit-by-default"

Topic = Literal[
    "The scope",
    "The request's body",
    "The order of the response",
    "The start of the response",
    "The body of the response",
    "Length and framing",
    "Streaming",
    "Disconnects",
    "WebSocket: handshake",
    "WebSocket: messages",
    "WebSocket: closing",
    "Lifespan",
    "Tasks and contexts",
]


@dataclass(frozen=True)
class Case:
    """What an app and a client do.

    Attributes:
        topic: What it is about.
        name: What is special about it.
        app: The app's part.
        client: The client's part.
        lifespan: The app's part on the lifespan scope; None where the case has nothing to do with it.
        shows: Headers of the response that are told, beside those that are invented.
        unable: Servers that cannot show it.
    """

    topic: Topic
    name: str
    app: Sequence[Step]
    client: Part = (Request(), READ)
    lifespan: Sequence[Step] | None = None
    shows: Sequence[str] = ()
    unable: Sequence[str] = ()

    @property
    def title(self) -> str:
        return f"{self.topic}: {self.name}"


#: What a client does, if there is nothing special about it.
READS: Part = (Request(), READ)

TWICE: Part = (*READS, *READS)


def start(status: Any = 200, headers: Any = (), **more: Any) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(data: Any = b"", **more: Any) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, **more}


def part(data: Any = b"") -> dict[str, Any]:
    return body(data, more_body=True)

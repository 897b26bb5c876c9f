"""The client's end of a case: steps, and how they are played by whoever can take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeAlias

from .stage import Stage


@dataclass(frozen=True)
class Request:
    """The client makes a request.

    Attributes:
        method: Its method.
        target: Its path and query, as they stand on the wire.
        headers: Those beside ``host``, and beside what frames the body.
        body: Its body; None for none.
        uploads: Whether the body comes in parts, by later steps.
    """

    method: str = "GET"
    target: bytes = b"/"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes | None = None
    uploads: bool = False


@dataclass(frozen=True)
class Connect:
    """The client asks for a WebSocket connection."""

    offers: tuple[str, ...] = ()
    target: bytes = b"/"
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Upload(NamedTuple):
    """The client sends a part of its request's body."""

    data: bytes


class Closes(NamedTuple):
    """The client closes the connection: with a close frame, which may be without a code."""

    code: int | None = 1000
    reason: str = ""


class Until(NamedTuple):
    """The client waits until the app has told this."""

    token: str


class Step(Enum):
    """What needs no more words."""

    READ = "reads the response, to its end or as far as it goes"
    HEAD = "reads the head of the response"
    CHUNK = "reads the next part of the response"
    UPLOADED = "ends its request's body"
    SEE = "reads the next message"
    LEAVE = "drops the connection"
    OPEN = "opens the gate"
    SETTLE = "gives the app time"


READ, HEAD, CHUNK, UPLOADED = Step.READ, Step.HEAD, Step.CHUNK, Step.UPLOADED
SEE, LEAVE, OPEN, SETTLE = Step.SEE, Step.LEAVE, Step.OPEN, Step.SETTLE

#: What a client does, in order: steps, and what it sends over WebSocket.
Part: TypeAlias = Sequence[Any]


class Peer(Protocol):
    """What plays the client's part, and tells what it sees."""

    async def request(self, request: Request) -> None: ...
    async def upload(self, data: bytes) -> None: ...
    async def uploaded(self) -> None: ...
    async def head(self) -> str: ...
    async def chunk(self) -> str: ...
    async def read(self) -> str: ...
    async def connect(self, connect: Connect) -> str: ...
    async def send(self, data: str | bytes) -> None: ...
    async def see(self) -> str: ...
    async def close(self, code: int | None, reason: str) -> None: ...
    async def leave(self) -> None: ...
    async def settle(self) -> None: ...


async def play(peer: Peer, part: Part, stage: Stage) -> str:
    """Play the client's part, and return what it saw."""
    seen = []
    for step in part:
        match step:
            case Request():
                await peer.request(step)
            case Connect():
                seen.append(await peer.connect(step))
            case Upload(data):
                await peer.upload(data)
            case Closes(code, reason):
                await peer.close(code, reason)
            case Until(token):
                if not await stage.heard(token):
                    seen.append(f"never {token}")
            case Step.READ:
                seen.append(await peer.read())
            case Step.HEAD:
                seen.append(await peer.head())
            case Step.CHUNK:
                seen.append(await peer.chunk())
            case Step.SEE:
                seen.append(await peer.see())
            case Step.UPLOADED:
                await peer.uploaded()
            case Step.LEAVE:
                await peer.leave()
            case Step.OPEN:
                stage.open()
            case Step.SETTLE:
                await peer.settle()
            case _:
                await peer.send(step)
    return " ".join(filter(None, seen))


#: Whose headers are shown in any case: those that an app invents.
INVENTED = "x-"


def shown(status: int, headers: Sequence[tuple[str, str]], names: Sequence[str]) -> str:
    """Tell of the head of a response: its status, and the headers that the case is about."""
    told = [f"{name}: {value}" for name, value in headers if name.startswith(INVENTED) or name in names]
    return " ".join([str(status), *([f"[{', '.join(told)}]"] if told else [])])


def data(data: str | bytes) -> str:
    """Tell of a message."""
    return repr(data) if len(data) < 100 else f"{type(data).__name__} of {len(data)}"


def whole(head: str, body: bytes, end: str = "") -> str:
    """Tell of a response. A 500 is the server's own: it is enough that it came."""
    text = body.decode("latin-1") if len(body) < 100 else f"{len(body)} bytes"
    return "500" if head.startswith("500") else " ".join(filter(None, [head, text, end]))

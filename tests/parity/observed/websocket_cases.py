"""Connections over WebSocket: how they open, what goes over them, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from .call import Step, gate, linger, peek, receive, tries
from .case import Case, Topic
from .client import LEAVE, OPEN, SEE, SETTLE, Closes, Connect, Until

OPENS: Topic = "WebSocket: handshake"
SPEAKS: Topic = "WebSocket: messages"
ENDS: Topic = "WebSocket: closing"

ACCEPT = {"type": "websocket.accept"}
CLOSE = {"type": "websocket.close"}


def accept(**more: Any) -> dict[str, Any]:
    return {**ACCEPT, **more}


def close(**more: Any) -> dict[str, Any]:
    return {**CLOSE, **more}


def send(**data: Any) -> dict[str, Any]:
    return {"type": "websocket.send", **data}


def deny(status: int = 401, headers: Any = ()) -> dict[str, Any]:
    return {"type": "websocket.http.response.start", "status": status, "headers": headers}


def denial(data: bytes = b"", *, more_body: bool = False) -> dict[str, Any]:
    return {"type": "websocket.http.response.body", "body": data, "more_body": more_body}


def case(
    topic: Topic, name: str, app: Sequence[Step], client: Sequence[Any] = (SEE,), offers: Any = (), **more: Any
) -> Case:
    return Case(topic, name, (receive, *app), (Connect(offers), *client), **more)


def opens(name: str, *app: Step, **more: Any) -> Case:
    return case(OPENS, name, app, **more)


def accepted(topic: Topic, name: str, *app: Step, client: Sequence[Any] = (SEE,)) -> Case:
    return case(topic, name, (ACCEPT, *app), client)


def speaks(name: str, *app: Step, client: Sequence[Any] = (SEE, SEE)) -> Case:
    return accepted(SPEAKS, name, *app, client=client)


def ends(name: str, *app: Step, client: Sequence[Any] = (SEE,)) -> Case:
    return accepted(ENDS, name, *app, client=client)


STRANGERS: dict[str, Any] = {
    "an unknown type": {"type": "websocket.nonsense"},
    "a message of HTTP": {"type": "http.response.start", "status": 200, "headers": []},
    "a message to the app": {"type": "websocket.receive", "text": "x"},
    "no type": {},
}

OPEN_CASES = [
    opens("accepted", ACCEPT, CLOSE),
    opens("accepted, with headers", accept(headers=[(b"x-a", b"1"), (b"x-b", b"2")]), CLOSE),
    opens("accepted, headers None", accept(headers=None), CLOSE),
    opens("accepted, a header in str", accept(headers=[("x-a", "1")]), CLOSE),
    opens("accepted, a header of two lines", accept(headers=[(b"x-a", b"a\nb")]), CLOSE),
    opens("accepted, a subprotocol", accept(subprotocol="b"), CLOSE, offers=("a", "b")),
    opens("accepted, subprotocol None", accept(subprotocol=None), CLOSE, offers=("a", "b")),
    opens("accepted, a subprotocol that was not offered", accept(subprotocol="c"), CLOSE, offers=("a", "b")),
    opens("accepted twice", ACCEPT, ACCEPT),
    opens("accepted twice, and then a message", ACCEPT, tries(ACCEPT), send(text="x"), CLOSE, client=(SEE, SEE)),
    Case(OPENS, "accepted before the handshake is received", (ACCEPT, receive, CLOSE), (Connect(), SEE)),
    opens("rejected", CLOSE),
    opens("rejected with a code", close(code=4000, reason="why")),
    opens("rejected with a code that is none", close(code="x")),
    opens("rejected, and then accepted", CLOSE, ACCEPT),
    opens("rejected, and then a message", CLOSE, send(text="x")),
    opens("rejected twice", CLOSE, CLOSE),
    opens("rejected, and then received", CLOSE, peek),
    opens("rejected, and then raised", CLOSE, LookupError),
    opens("denied", deny(), denial(b"no")),
    opens("denied with headers", deny(403, [(b"x-a", b"1")]), denial(b"no")),
    opens("denied in parts", deny(), denial(b"n", more_body=True), denial(b"o")),
    opens("denied, and then accepted", deny(), denial(b"no"), ACCEPT),
    opens("denied, and no end", deny(), denial(b"n", more_body=True)),
    opens("denied after the connection was accepted", ACCEPT, deny()),
    opens("a denial's body first", denial(b"no")),
    opens("a message first, and then accepted", tries(send(text="x")), ACCEPT, CLOSE),
    opens("an unknown type first, and then accepted", tries({"type": "websocket.nonsense"}), ACCEPT, CLOSE),
    opens("a refused accept, and then one that is right", tries(accept(headers=None)), ACCEPT, CLOSE),
    opens("a message first, and then rejected", tries(send(text="x")), CLOSE),
    opens("a message first", send(text="x")),
    *[opens(f"{name} first", message) for name, message in STRANGERS.items()],
    opens("returns before it accepts"),
    opens("raises before it accepts", LookupError),
    opens("raises CancelledError before it accepts", asyncio.CancelledError),
]

MESSAGE_CASES = [
    speaks("text", send(text="é"), CLOSE),
    speaks("bytes", send(bytes=b"\xff"), CLOSE),
    speaks("an empty text", send(text=""), CLOSE),
    speaks("empty bytes", send(bytes=b""), CLOSE),
    speaks("text, and bytes None", send(text="x", bytes=None), CLOSE),
    speaks("bytes, and text None", send(bytes=b"x", text=None), CLOSE),
    speaks("both", send(text="x", bytes=b"y"), CLOSE),
    speaks("neither", send(), CLOSE),
    speaks("text in bytes", send(text=b"x"), CLOSE),
    speaks("bytes in a str", send(bytes="x"), CLOSE),
    speaks("text that is an int", send(text=5), CLOSE),
    speaks("a bytearray", send(bytes=bytearray(b"x")), CLOSE),
    speaks("200 KB", send(text="x" * 200_000), CLOSE, client=(SEE, SEE)),
    speaks("several", send(text="1"), send(bytes=b"2"), send(text="3"), CLOSE, client=(SEE, SEE, SEE, SEE)),
    *[speaks(f"{name}", message, client=(SEE,)) for name, message in STRANGERS.items()],
    speaks("an unknown type, and then a message", tries({"type": "websocket.nonsense"}), send(text="x"), CLOSE),
    speaks("neither, and then a message", tries(send()), send(text="x"), CLOSE),
    speaks("text that is an int, and then a message", tries(send(text=5)), send(text="x"), CLOSE),
    speaks("text to the app", receive, CLOSE, client=("é", SEE)),
    speaks("bytes to the app", receive, CLOSE, client=(b"\xff", SEE)),
    speaks("an empty text to the app", receive, CLOSE, client=("", SEE)),
    speaks("several to the app", receive, receive, receive, CLOSE, client=("1", b"2", "3", SEE)),
    speaks("an echo", receive, send(text="a"), receive, send(text="b"), CLOSE, client=("1", SEE, "2", SEE, SEE)),
    speaks("nothing to the app: it waits", peek, CLOSE, client=(SEE,)),
]

#: The client closes, and the app takes notice, or does something later.
CLOSED = (Closes(1000, "bye"), SETTLE, OPEN)
LEFT = (LEAVE, SETTLE, OPEN)


def departures(name: str, *app: Step) -> list[Case]:
    return [
        ends(f"the client has closed, {name}", *app, client=CLOSED),
        ends(f"the client has left, {name}", *app, client=LEFT),
    ]


CLOSE_CASES = [
    ends("by the app", CLOSE),
    *[ends(f"by the app, code {code}", close(code=code)) for code in (1001, 1011, 3000, 4000, 4999)],
    ends("by the app, with a reason", close(code=4000, reason="bye é")),
    ends("by the app, reason None", close(reason=None)),
    ends("by the app, code None", close(code=None)),
    *[ends(f"by the app, code {code}", close(code=code)) for code in (1005, 1006, 999, 5000)],
    ends("by the app, code 999, and then 1000", tries(close(code=999)), CLOSE),
    ends("by the app, code '1000', and then 1000", tries(close(code="1000")), CLOSE),
    ends("by the app, and then received, though a message was refused", CLOSE, tries(send(text="x")), receive),
    ends("the app returns after a message was refused", tries({"type": "websocket.nonsense"})),
    ends("by the app, code '1000'", close(code="1000")),
    ends("by the app, a reason of 124 bytes", close(reason="x" * 124)),
    ends("by the app, twice", CLOSE, CLOSE),
    ends("by the app, and then a message", CLOSE, send(text="x")),
    ends("by the app, and then accepted", CLOSE, ACCEPT),
    ends("by the app, and then received", close(code=4000, reason="bye"), receive),
    ends("by the app, and then raised", CLOSE, LookupError),
    ends("the app returns"),
    ends("the app raises", LookupError),
    ends("the app returns after a message", send(text="x"), client=(SEE, SEE)),
    ends("the app raises after a message", send(text="x"), LookupError, client=(SEE, SEE)),
    ends("by the client", receive, client=(Closes(1000),)),
    ends("by the client, without a code", receive, client=(Closes(None),)),
    ends("by the client, code 1001", receive, client=(Closes(1001),)),
    ends("by the client, code 4000", receive, client=(Closes(4000),)),
    ends("by the client, with a reason", receive, client=(Closes(1000, "bye"),)),
    ends("by the client, received again", receive, peek, client=(Closes(1000),)),
    ends("by the client, after messages", receive, receive, receive, client=("1", b"2", Closes(1000))),
    ends("by the client, after a message of the app", send(text="x"), receive, client=(SEE, Closes(1000))),
    ends("the client leaves", receive, client=(LEAVE,)),
    ends("the client leaves, received again", receive, peek, client=(LEAVE,)),
    ends(
        "the client leaves after messages", receive, receive, receive, client=("1", b"2", Until("receive(b'2')"), LEAVE)
    ),
    *departures("the app has received that, and sends", receive, gate, send(text="x")),
    *departures("the app has received that, and closes", receive, gate, CLOSE),
    *departures("the app has received that, and accepts", receive, gate, ACCEPT),
    *departures("the app has received that, and raises", receive, LookupError),
    *departures("the app sends", gate, send(text="x")),
    *departures("the app sends twice", gate, send(text="x"), linger, send(text="y")),
    *departures("the app closes", gate, CLOSE),
    *departures("the app sends, and then receives", gate, tries(send(text="x")), receive),
    *departures("the app closes, and then receives", gate, tries(CLOSE), receive),
    *departures("the app does not take notice", gate),
]

WEBSOCKET_CASES = [*OPEN_CASES, *MESSAGE_CASES, *CLOSE_CASES]

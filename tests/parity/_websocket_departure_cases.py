"""How a client may go, and what an app makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._apps import PEEK, RECEIVE
from ._observe import kind_of
from ._websocket_apps import MEET, SETTLE, accept, accepted, close, deny, send
from ._websocket_case import WebSocketCase, hypercorn, uvicorn
from ._websocket_open_cases import SAME_AGAIN
from ._websocket_peers import LEAVES, Closes

BYE = Closes(1000, "bye")
AGAIN = "The wait would be in vain: it is still the same disconnect."

FASTER = "It closes what is closed: hypercorn, granian and daphne do not mind that the client was faster."

#: What an app may send to a client that has gone, sense or no sense.
TO_NOBODY: list[Any] = [send(text="x"), send(), close(), close(code=99), accept(), deny(), {"type": "nonsense"}]

#: How a client goes, what it does, and what the app receives.
PARTINGS = (("closed", BYE, "disconnect(1000, bye)"), ("left", LEAVES, "disconnect(1005)"))


def gone(name: str, client: Sequence[Any], *part: Any, seen: str, under_hypercorn: str, **more: Any) -> WebSocketCase:
    story, theirs = (f"accept {said} -> 101" for said in (seen, under_hypercorn))
    return WebSocketCase(name, accepted(*part), story, hypercorn(theirs), client=client, **more)


CLOSES = [
    *[
        gone(
            f"client closes, {told}",
            (how,),
            RECEIVE,
            seen=f"disconnect({told})",
            under_hypercorn="disconnect(1006)",
        )
        for told, how in {
            "1000": Closes(),
            "1000, bye": BYE,
            "1001": Closes(1001),
            "3000, é": Closes(3000, "é"),
            "4999, 123 bytes": Closes(4999, "x" * 123),
        }.items()
    ],
    WebSocketCase(
        "client closes, receive again",
        accepted(RECEIVE, PEEK),
        "accept disconnect(1000, bye) disconnect(1000, bye) -> 101",
        uvicorn("accept disconnect(1000, bye) disconnect(1005) -> 101")
        | hypercorn("accept disconnect(1006) nothing -> 101"),
        SAME_AGAIN,
        client=(BYE,),
    ),
    gone(
        "client closes after messages",
        ("1", b"2", BYE),
        RECEIVE,
        RECEIVE,
        RECEIVE,
        seen="receive('1') receive(b'2') disconnect(1000, bye)",
        under_hypercorn="receive('1') receive(b'2') disconnect(1006)",
    ),
    gone(
        "client closes after messages that were not received",
        ("1", b"2", BYE, MEET),
        MEET,
        SETTLE,
        RECEIVE,
        RECEIVE,
        RECEIVE,
        seen="receive('1') receive(b'2') disconnect(1000, bye)",
        under_hypercorn="receive('1') receive(b'2') disconnect(1006)",
    ),
    gone(
        "client closes, the app raises",
        (BYE,),
        RECEIVE,
        LookupError,
        seen="disconnect(1000, bye)",
        under_hypercorn="disconnect(1006)",
    ),
]

LEAVES_OFF = [
    gone("client leaves", (LEAVES,), RECEIVE, seen="disconnect(1005)", under_hypercorn="disconnect(1006)"),
    WebSocketCase(
        "client leaves, receive again",
        accepted(RECEIVE, PEEK),
        "accept disconnect(1005) disconnect(1005) -> 101",
        uvicorn("accept disconnect(1005) nothing -> 101") | hypercorn("accept disconnect(1006) nothing -> 101"),
        AGAIN,
        client=(LEAVES,),
    ),
    gone(
        "client leaves after messages that were not received",
        ("1", b"2", LEAVES, MEET),
        MEET,
        SETTLE,
        RECEIVE,
        RECEIVE,
        RECEIVE,
        seen="receive('1') receive(b'2') disconnect(1005)",
        under_hypercorn="receive('1') receive(b'2') disconnect(1006)",
    ),
]

SENDS = [
    case
    for message in (message for message in TO_NOBODY if message["type"] != "websocket.close")
    for how, client, received in PARTINGS
    for case in (
        # Until it has closed the socket, uvicorn checks what is sent.
        gone(
            f"{message} to a client that has {how}",
            (client,),
            RECEIVE,
            SETTLE,
            message,
            seen=f"{received} {kind_of(message)} gone",
            under_hypercorn=f"disconnect(1006) {kind_of(message)}",
        ),
        gone(
            f"{message} to a client that has {how}, unnoticed",
            (client, MEET),
            MEET,
            SETTLE,
            message,
            seen=f"{kind_of(message)} gone",
            under_hypercorn=f"{kind_of(message)}",
        ),
    )
]

FAREWELLS = [
    case
    for message in (message for message in TO_NOBODY if message["type"] == "websocket.close")
    for how, client, received in PARTINGS
    for case in (
        WebSocketCase(
            f"{message} to a client that has {how}",
            accepted(RECEIVE, SETTLE, message),
            f"accept {received} close -> 101",
            uvicorn(f"accept {received} close gone -> 101") | hypercorn("accept disconnect(1006) close -> 101"),
            FASTER,
            client=(client,),
        ),
        WebSocketCase(
            f"{message} to a client that has {how}, unnoticed",
            accepted(MEET, SETTLE, message),
            "accept close -> 101",
            uvicorn("accept close gone -> 101"),
            FASTER,
            client=(client, MEET),
        ),
    )
]

DEPARTURE_CASES: Sequence[WebSocketCase] = [*CLOSES, *LEAVES_OFF, *SENDS, *FAREWELLS]

#: Parts of an app whose client goes before it is answered, what comes of them, and what under uvicorn and hypercorn.
EARLY_DEPARTURES: dict[str, Sequence[Any]] = {
    "receive": ((RECEIVE,), *["disconnect(1006)"] * 3),
    "receive, raise": ((RECEIVE, LookupError), *["disconnect(1006)"] * 3),
    **{
        f"{message}": ((SETTLE, message), *[f"{kind_of(message)} gone"] * 2, kind_of(message))
        for message in (accept(), deny(), send(text="x"), {"type": "nonsense"})
    },
    "close": ((SETTLE, close()), "close", "close gone", "close"),
    "receive, accept": ((RECEIVE, accept()), *["disconnect(1006) accept gone"] * 2, "disconnect(1006) accept"),
}

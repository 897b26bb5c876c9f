"""What the page about servers shows of all that was observed: the behaviours that people ask about."""

from __future__ import annotations

#: Tables of the page, by the name of their place; rows with what is told of a case, and its title.
BEHAVIOURS: dict[str, dict[str, str]] = {
    "failures": {
        "returns without a word": "The order of the response: returns at once",
        "raises at once": "The order of the response: raises at once",
        "raises after the start": "The order of the response: raises after the start",
        "raises after a part of the body": "The order of the response: raises after a part",
        "raises after the end": "The order of the response: raises after the end",
        "starts with a status of None": "The start of the response: status None",
        "sends a header with a newline": r"The start of the response: a header b'x-a': b'a\nb'",
        "starts with status 103": "The start of the response: status 103",
        "sends a body before the start": "The order of the response: body first",
        "starts twice, handles the error, and goes on": "The order of the response: a second start, and then the body",
        "sends a part after the end": "The order of the response: body after the end",
    },
    "framing": {
        "more than the `content-length`": "Length and framing: too long",
        "less than the `content-length`": "Length and framing: too short",
        "a body with a 204": "Length and framing: 204 and a body",
        "a body for `HEAD`": "Length and framing: HEAD and a body",
        "a body that is a `str`": "The body of the response: a str",
        "a body that is None": "The body of the response: None",
        "its own `date`": "The start of the response: its own date",
    },
    "disconnects": {
        "`receive()` after the response": "The request's body: receive after the response",
        "`receive()` after the response, once more": "The request's body: receive a second time after the response",
        "the client goes, the app receives": "Disconnects: the app receives",
        "the client goes, the app sends": "Disconnects: the app sends a part",
        "the client goes in the middle of its upload": "Disconnects: in the middle of the request's body",
        "the client does not read 64 MiB": "Streaming: 64 MiB, to a client that does not read",
    },
    "websocket": {
        "`spec_version` of the scope": "The scope: WebSocket, asgi, spec_version",
        "the app closes before it accepts": "WebSocket: handshake: rejected with a code",
        "raises before it accepts": "WebSocket: handshake: raises before it accepts",
        "denies with a response": "WebSocket: handshake: denied",
        "accepts with headers": "WebSocket: handshake: accepted, with headers",
        "accepts with a subprotocol that was not offered": (
            "WebSocket: handshake: accepted, a subprotocol that was not offered"
        ),
        "sends both text and bytes": "WebSocket: messages: both",
        "sends neither": "WebSocket: messages: neither",
        "raises after it has accepted": "WebSocket: closing: the app raises",
        "returns without closing": "WebSocket: closing: the app returns",
        "closes with a code that RFC 6455 does not allow": "WebSocket: closing: by the app, code 999",
        "closes with a reason of 124 bytes": "WebSocket: closing: by the app, a reason of 124 bytes",
        "closes twice": "WebSocket: closing: by the app, twice",
        "receives after its own close": "WebSocket: closing: by the app, and then received",
        "the client closes with 4000": "WebSocket: closing: by the client, code 4000",
        "the client closes with a reason": "WebSocket: closing: by the client, with a reason",
        "the client closes without a code": "WebSocket: closing: by the client, without a code",
        "the connection is lost": "WebSocket: closing: the client leaves",
        "the client has closed, the app sends": "WebSocket: closing: the client has closed, the app sends",
        "the client has closed, the app closes": "WebSocket: closing: the client has closed, the app closes",
    },
    "lifespan": {
        "raises at once": "Lifespan: unknown to the app, which raises",
        "raises in its startup": "Lifespan: the app raises in its startup",
        "reports that its startup has failed": "Lifespan: startup fails",
        "raises while it serves": "Lifespan: the app raises while it serves",
        "raises in its shutdown": "Lifespan: the app raises in its shutdown",
        "reports that its shutdown has failed": "Lifespan: shutdown fails",
    },
}

"""What the app sees of a client that goes."""

from __future__ import annotations

from typing import Any

from .call import Step, gate, linger, peek, receive
from .case import Case, Topic, body, part, start
from .client import HEAD, LEAVE, OPEN, SETTLE, Request, Until, Upload

TOPIC: Topic = "Disconnects"
IN_PARTS = Request("POST", uploads=True)


def gone(name: str, *app: Step, client: Any) -> Case:
    return Case(TOPIC, name, app, client)


#: The client goes after the head of the response, or before there is any; what the app then does, it does later.
LATER = (Request(), HEAD, LEAVE, SETTLE, OPEN)
BEFORE = (Request(), Until("request"), LEAVE, SETTLE, OPEN)

DISCONNECT_CASES = [
    gone("the app receives", receive, start(), part(b"x"), receive, client=LATER),
    gone("the app receives a second time", receive, start(), part(b"x"), receive, peek, client=LATER),
    gone("the app receives later", receive, start(), part(b"x"), gate, receive, client=LATER),
    gone("the app sends a part", receive, start(), part(b"x"), gate, part(b"y"), client=LATER),
    gone("the app sends the end", receive, start(), part(b"x"), gate, body(b"y"), client=LATER),
    gone(
        "the app sends parts", receive, start(), part(b"x"), gate, part(b"y"), linger, part(b"z"), body(), client=LATER
    ),
    gone("the app receives, and then sends", receive, start(), part(b"x"), receive, part(b"y"), body(), client=LATER),
    gone("the app receives, and then raises", receive, start(), part(b"x"), receive, LookupError, client=LATER),
    gone("the app sends, and then receives", receive, start(), part(b"x"), gate, part(b"y"), receive, client=LATER),
    gone("the app does neither", receive, start(), part(b"x"), gate, client=LATER),
    gone("before the response, the app receives", receive, receive, client=BEFORE),
    gone("before the response, the app responds", receive, gate, start(), body(b"x"), client=BEFORE),
    gone("before the response, the app receives, and responds", receive, receive, start(), body(b"x"), client=BEFORE),
    gone("before the response, the app raises", receive, gate, LookupError, client=BEFORE),
    gone(
        "in the middle of the request's body",
        receive,
        receive,
        client=(IN_PARTS, Upload(b"ab"), Until("request(ab, more)"), LEAVE),
    ),
    gone(
        "in the middle of the request's body, the app receives twice",
        receive,
        receive,
        peek,
        client=(IN_PARTS, Upload(b"ab"), Until("request(ab, more)"), LEAVE),
    ),
    gone(
        "in the middle of the request's body, the app responds",
        receive,
        gate,
        start(),
        body(b"x"),
        client=(IN_PARTS, Upload(b"ab"), Until("request(ab, more)"), LEAVE, SETTLE, OPEN),
    ),
]

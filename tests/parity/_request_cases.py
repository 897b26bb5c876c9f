"""What an app receives: the request's body, and the end of the exchange."""

from __future__ import annotations

from ._apps import PEEK, RECEIVE, body, plays, start
from ._case import Case, hypercorn
from ._observe import calls

REQUEST_CASES = [
    Case(
        "no request body",
        plays(RECEIVE, PEEK, start(), body(), RECEIVE),
        "request nothing start body disconnect -> 200",
    ),
    Case(
        "an empty request body",
        plays(RECEIVE, PEEK, start(), body(), RECEIVE),
        "request nothing start body disconnect -> 200",
        call=calls("POST", b""),
    ),
    Case(
        "a request body",
        plays(RECEIVE, PEEK, start(), body(), RECEIVE),
        "request(abc) nothing start body disconnect -> 200",
        hypercorn("request(abc, more) request start body disconnect -> 200"),
        call=calls("POST", b"abc"),
    ),
    Case(
        "receive in the middle of the response",
        plays(start(), RECEIVE, PEEK, body(), RECEIVE),
        "start request nothing body disconnect -> 200",
    ),
    Case(
        "receive after the response only",
        plays(start(), body(), RECEIVE),
        "start body disconnect -> 200",
        hypercorn("start body request -> 200"),
    ),
    Case(
        "receive after the disconnect",
        plays(RECEIVE, start(), body(), RECEIVE, PEEK),
        "request start body disconnect disconnect -> 200",
        hypercorn("request start body disconnect nothing -> 200"),
    ),
]

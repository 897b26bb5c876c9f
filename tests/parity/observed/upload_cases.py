"""What the app receives of a request's body, and after it."""

from __future__ import annotations

from typing import Any

from .call import Step, peek, receive, upload
from .case import READS, Case, body, part, start
from .client import CHUNK, HEAD, READ, UPLOADED, Request, Until, Upload
from .client import Step as ClientStep

IN_PARTS = Request("POST", uploads=True)


def receives(name: str, *app: Step, client: Any = READS, **more: Any) -> Case:
    return Case("The request's body", name, app, client, **more)


def posts(data: bytes | None, method: str = "POST") -> tuple[Request, ClientStep]:
    return Request(method, body=data), READ


async def keys(call: Any) -> None:
    """Receive, and tell the keys of the message."""
    message = await call._receive()
    call.tell(", ".join(sorted(message)))


async def whole_length(call: Any) -> None:
    """Receive all of the body, and tell its length."""
    length, more = 0, True
    while more:
        message = await call._receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    call.tell(f"{length} bytes")


UPLOAD_CASES = [
    receives("none", receive, start(), body()),
    receives("none, of a POST", receive, start(), body(), client=posts(None)),
    receives("empty", receive, start(), body(), client=posts(b"")),
    receives("a few bytes", upload, start(), body(), client=posts(b"abc")),
    receives("of a GET", upload, start(), body(), client=posts(b"abc", "GET")),
    receives("of a DELETE", upload, start(), body(), client=posts(b"abc", "DELETE")),
    receives("a few bytes, in how many messages", receive, peek, start(), body(), client=posts(b"abc")),
    receives("in chunks", upload, start(), body(), client=(IN_PARTS, Upload(b"ab"), Upload(b"cd"), UPLOADED, READ)),
    receives("in no chunks", upload, start(), body(), client=(IN_PARTS, UPLOADED, READ)),
    receives("1 MB", whole_length, start(), body(), client=posts(b"x" * 1_000_000)),
    receives("the keys of a message", keys, start(), body(), client=posts(b"abc")),
    receives("the keys of a message without a body", keys, start(), body()),
    receives(
        "a message comes before the last chunk was sent",
        receive,
        start(),
        body(),
        client=(IN_PARTS, Upload(b"ab"), Until("request(ab, more)"), UPLOADED, READ),
    ),
    receives(
        "full duplex",
        receive,
        start(),
        part(b"1"),
        upload,
        body(b"2"),
        client=(IN_PARTS, Upload(b"ab"), HEAD, CHUNK, Upload(b"cd"), UPLOADED, READ),
    ),
    receives("receive before the response: waits", receive, peek, start(), body()),
    receives("receive after the start: waits", receive, start(), peek, body()),
    receives("receive after the response", receive, start(), body(), receive),
    receives("receive after the response, of a POST", upload, start(), body(), receive, client=posts(b"abc")),
    receives("receive after the response only", start(), body(), receive),
    receives("receive a second time after the response", receive, start(), body(), receive, peek),
    receives("not received", start(), body(b"x"), client=posts(b"abc")),
    receives("1 MB, not received", start(), body(b"x"), client=posts(b"x" * 1_000_000)),
    receives(
        "not received, and another request after it", start(), body(b"x"), client=(*posts(b"abc"), *posts(b"def"))
    ),
    receives("received after the start", start(), upload, body(b"x"), client=posts(b"abc")),
    receives("received between the parts", start(), part(b"x"), upload, body(b"y"), client=posts(b"abc")),
]

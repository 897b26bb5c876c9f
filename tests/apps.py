"""Apps under test: one that plays a script on the lifespan scope, and one that says what it was sent."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from asgi_testkit import Receive, Scope, Send

from .messages import body, start

#: A step of a script: receive a message.
RECEIVE: Final = object()

STARTED: Final = {"type": "lifespan.startup.complete"}
NOT_STARTED: Final = {"type": "lifespan.startup.failed", "message": "no database"}
STOPPED: Final = {"type": "lifespan.shutdown.complete"}
NOT_STOPPED: Final = {"type": "lifespan.shutdown.failed", "message": "still in use"}


class Living:
    """An app that goes through `steps` on the lifespan scope, and answers "hello" to requests.

    A step is RECEIVE, a message to send, an exception to raise, or an async function to wait for.

    Attributes:
        story: What happened: the messages received and sent, requests, and the end of the lifespan.
        scope: The lifespan's.
    """

    def __init__(self, *steps: object) -> None:
        self.steps = steps
        self.story: list[str] = []
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.story.append("request")
            await self.respond(scope, send)
            return
        self.scope = scope
        try:
            for step in self.steps:
                await self.play(step, receive, send)
        finally:
            self.story.append("end")

    async def play(self, step: Any, receive: Receive, send: Send) -> None:
        if step is RECEIVE:
            self.story.append((await receive())["type"])
        elif isinstance(step, Mapping):
            self.story.append(step["type"])
            await send(dict(step))
        elif isinstance(step, BaseException):
            raise step
        else:
            await step()

    async def respond(self, scope: Scope, send: Send) -> None:
        await start(send)
        await body(send, b"hello")

    @property
    def over(self) -> bool:
        """Whether the lifespan has ended."""
        return "end" in self.story


def well(*while_serving: Callable[[], Awaitable[None]]) -> Living:
    """Return an app with which all goes well."""
    return Living(RECEIVE, STARTED, *while_serving, RECEIVE, STOPPED)


async def mirror(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with what the request was, as JSON, and with its body. Lifespan is not spoken."""
    assert scope["type"] == "http"
    content = b""
    message: Mapping[str, Any] = {"more_body": True}
    while message["more_body"]:
        message = await receive()
        content += message["body"]
    seen = {
        **{key: scope[key] for key in ("method", "path", "scheme", "server", "client", "root_path")},
        "query": scope["query_string"].decode(),
        "headers": {name.decode(): value.decode("latin-1") for name, value in scope["headers"]},
        "body": content.decode("latin-1"),
    }
    await start(send, (b"content-type", b"application/json"))
    await body(send, json.dumps(seen).encode())

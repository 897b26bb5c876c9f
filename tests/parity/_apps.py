"""Raw ASGI apps, put together from what they send and receive."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from asgi_testkit import Message, Receive, Scope, Send
from asgi_testkit._types import SingleCallable

#: The app receives a message.
RECEIVE: Final = object()

#: The app receives a message if there is one.
PEEK: Final = object()

#: Rounds of the event loop; each looks at the sockets, too.
ROUNDS_TO_SETTLE = 100


def start(status: Any = 200, headers: Any = (), **more: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(data: Any = b"", **more: Any) -> Message:
    return {"type": "http.response.body", "body": data, **more}


def plays(*steps: Any) -> SingleCallable:
    """Return an app that goes through `steps`: messages to send, RECEIVE, PEEK, exceptions to raise."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for step in steps:
            if step is RECEIVE:
                await receive()
            elif step is PEEK:
                await peek(receive)
            elif isinstance(step, type):
                raise step
            else:
                await send(step)

    return app


async def peek(receive: Receive) -> None:
    """Receive what is there, or nothing."""
    receiving = asyncio.ensure_future(receive())
    await settle()
    receiving.cancel()
    await asyncio.wait([receiving])


async def settle() -> None:
    """Let everybody get as far as they can in no time.

    ``anyio.wait_all_tasks_blocked`` will not do: it looks around every 0.1 seconds, and so does uvicorn. Should the two
    fall into step, it never returns.
    """
    for _ in range(ROUNDS_TO_SETTLE):
        await asyncio.sleep(0)

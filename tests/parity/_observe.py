"""One exchange, seen from both ends and told in one line: ``start body! -> 200 [content-length: 3] cut``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import anyio
import httpx

from asgi_testkit import Message, Receive, Scope, Send
from asgi_testkit._types import SingleCallable

#: What a client does. It returns what it has seen.
Call: TypeAlias = Callable[[httpx.AsyncClient], Awaitable[str]]

#: The connection broke.
BROKEN = (httpx.RemoteProtocolError, httpx.NetworkError)

#: Response headers that are a server's own business.
OF_THE_SERVER = {"connection", "date", "server", "transfer-encoding"}


class Witness:
    """Runs an app and writes down what came of each of its calls to ``receive()`` and ``send()``.

    A message to the app is told by its kind and its content, ``request(ab, more)``; ``nothing`` if the app gave up
    waiting for one. A message from the app is told by its kind, with an exclamation mark if ``send()`` raised.
    """

    def __init__(self, app: SingleCallable) -> None:
        self.story: list[str] = []
        self.ended = anyio.Event()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> object:
        self._receive, self._send = receive, send
        try:
            return await self._app(scope, self.receive, self.send)
        finally:
            self.ended.set()

    async def receive(self) -> Message:
        try:
            message = await self._receive()
        except BaseException:
            self.story.append("nothing")
            raise
        content = [message["body"].decode()] if message.get("body") else []
        if message.get("more_body"):
            content.append("more")
        self.story.append(f"{kind_of(message)}({', '.join(content)})" if content else kind_of(message))
        return message

    async def send(self, message: Message) -> None:
        try:
            await self._send(message)
        except BaseException:
            self.story.append(f"{kind_of(message)}!")
            raise
        self.story.append(kind_of(message))


def kind_of(message: Any) -> str:
    """Return the last word of the message's type."""
    kind = message.get("type", "untyped") if isinstance(message, Mapping) else message
    return str(kind).rpartition(".")[2]


async def observe(client: httpx.AsyncClient, witness: Witness, call: Call) -> str:
    """Make `call`, wait for the app's end, and tell what happened at either end."""
    seen = await call(client)
    await witness.ended.wait()
    return " ".join([*witness.story, "->", seen])


def calls(method: str = "GET", content: bytes | AsyncIterator[bytes] | None = None) -> Call:
    """Return a call that makes a request and reads the response to its end, or as far as it goes."""

    async def call(client: httpx.AsyncClient) -> str:
        request = client.build_request(method, "/", content=content)
        try:
            response = await client.send(request, stream=True)
        except BROKEN:
            return "no response"
        return await read(response)

    return call


async def read(response: httpx.Response) -> str:
    """Read `response` as far as it goes, and tell what it is. A 500 is the server's own: it is enough that it came."""
    body, end = bytearray(), ""
    try:
        async for chunk in response.aiter_raw():
            body += chunk
    except BROKEN:
        end = "cut"
    if response.status_code == 500:
        return "500"
    shown = [f"{name}: {value}" for name, value in response.headers.multi_items() if name not in OF_THE_SERVER]
    headers = f"[{', '.join(shown)}]" if shown else ""
    return " ".join(filter(None, [str(response.status_code), headers, body.decode("latin-1"), end]))

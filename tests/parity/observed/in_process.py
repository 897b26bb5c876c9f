"""Plays cases in-process, with the client under test: as a server's client, or as it is by default."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx

import asgi_testkit
from asgi_testkit import Receive, Scope, Send

from .call import Call, closed
from .case import BY_DEFAULT, OURS, Case
from .client import Connect, Request, data, play, shown, whole
from .stage import HereStage

#: How the client does in either world.
WORLDS: dict[str, dict[str, Any]] = {
    OURS: {"raise_server_exceptions": False, "background": "detach"},
    BY_DEFAULT: {},
}

#: Seconds until the client takes it that nothing more will come.
PATIENCE = 0.2

#: The connection broke.
BROKEN = (httpx.RemoteProtocolError, httpx.NetworkError)

#: Headers of a handshake's response that are not the app's.
OF_THE_HANDSHAKE = ("sec-websocket-protocol",)


async def observe(case: Case, world: str, *, patience: float = 1.0) -> str:
    """Play `case`, and tell what either end saw. A busy machine takes more `patience` than most."""
    stage = HereStage(patience)
    limit = PATIENCE * patience

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(stage, scope, receive, send)
        await call.play((case.lifespan or ()) if scope["type"] == "lifespan" else case.app)

    options: dict[str, Any] = {"lifespan": "off" if case.lifespan is None else "auto", **WORLDS[world]}
    story, seen = "", ""
    try:
        async with (
            asgi_testkit.AsyncClient(app, timeout=limit, disconnect_grace=limit, **options) as client,
            contextlib.AsyncExitStack() as stack,
        ):
            seen = await play(InProcessPeer(client, case, stack, stage), case.client, stage)
            if case.lifespan is None:
                story = await stage.story()
    except (Exception, asyncio.CancelledError) as error:  # the app's own
        seen = " ".join(filter(None, [seen, type(error).__name__]))
    return f"{story or await stage.story()} -> {seen}".rstrip()


class InProcessPeer:
    """The client of a case, as the client under test plays it."""

    def __init__(
        self, client: asgi_testkit.AsyncClient, case: Case, stack: contextlib.AsyncExitStack, stage: HereStage
    ) -> None:
        self._client = client
        self._stage = stage
        self._case = case
        self._stack = stack
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._session: asgi_testkit.AsyncWebSocketSession | None = None
        self._over = False

    # HTTP

    async def request(self, request: Request) -> None:
        url = self._client.base_url
        content = self._uploads() if request.uploads else request.body
        made = httpx.Request(request.method, url, headers=list(request.headers), content=content)
        made.extensions |= {"target": request.target, "timeout": self._client.timeout.as_dict()}
        self._answer = asyncio.ensure_future(self._client.send(made, stream=True))
        self._head = False
        await asyncio.sleep(0)

    async def _uploads(self) -> AsyncIterator[bytes]:
        while (data := await self._parts.get()) is not None:
            yield data

    async def upload(self, data: bytes) -> None:
        await self._parts.put(data)

    async def uploaded(self) -> None:
        await self._parts.put(None)

    async def head(self) -> str:
        """Return how the response begins; why there is none, if so."""
        self._head = True
        try:
            response = await self._answer
        except BROKEN:
            return "no response"
        self._chunks = response.aiter_raw()
        return shown(response.status_code, response.headers.multi_items(), self._case.shows)

    async def chunk(self) -> str:
        return (await anext(self._chunks)).decode("latin-1")

    async def read(self) -> str:
        head = "" if self._head else await self.head()
        if head == "no response":
            return head
        body, end = bytearray(), ""
        try:
            async for chunk in self._chunks:
                body += chunk
        except BROKEN:
            end = "cut"
        return whole(head, bytes(body), end)

    async def settle(self) -> None:
        await asyncio.sleep(self._stage.patience / 2)

    # WebSocket

    async def connect(self, connect: Connect) -> str:
        url = self._client.base_url.join(connect.target.decode())
        calling = self._client.websocket_connect(
            str(url), subprotocols=list(connect.offers), headers=list(connect.headers)
        )
        self._session = None
        try:
            self._session = await self._stack.enter_async_context(calling)
        except asgi_testkit.WebSocketDisconnect as refusal:
            response = refusal.response
            assert response is not None
            head = shown(response.status_code, response.headers.multi_items(), self._case.shows)
            return whole(head, response.content)
        except BROKEN:
            return "no response"
        return shown(101, self._session.headers.multi_items(), (*self._case.shows, *OF_THE_HANDSHAKE))

    async def send(self, data: str | bytes) -> None:
        assert self._session is not None
        await self._session.send(data)

    async def see(self) -> str:
        if self._session is None or self._over:
            return ""
        try:
            message = await self._session.receive()
        except asgi_testkit.WebSocketDisconnect as end:
            self._over = True
            return "cut" if end.code == 1006 else closed("close", end.code, end.reason)
        return data(message["text"] if message.get("bytes") is None else message["bytes"])

    async def close(self, code: int | None, reason: str) -> None:
        assert self._session is not None
        self._over = True
        await self._session.close(code, reason)

    # Either

    async def leave(self) -> None:
        if self._session is not None:
            self._over = True
            await self._session.abort()
        elif self._answer.done():
            await self._answer.result().aclose()
        else:
            self._answer.cancel()
            await asyncio.wait([self._answer])

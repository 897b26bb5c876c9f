"""A stand-in for the ``ASGITransport`` that httpx and httpx2 bring.

Theirs runs the app within the call that awaits the response, to its end, and hands the response over then. Suites rely
on that without knowing: on a database session that goes by the current task, a context variable that the app sets and
the test reads, a cancelled scope that both are in, an app that takes its time, a stream that nobody reads. A suite that
was written for it must not fail, so this one does the same. What `asgi_testkit.ASGITransport` does better is for those
who ask for it.
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, cast

import anyio
import httpx

from ._errors import BrokenContractError
from ._http import Request, Response, library_of
from ._tally import COUNTER
from ._types import Message, Scope


class TransportOfAnApp(Protocol):
    """What a transport knows of an app, in either library."""

    app: Any
    root_path: str
    client: Any

    @property
    def raise_app_exceptions(self) -> bool:
        """Whether what the app raises is raised in the test."""


async def respond(transport: TransportOfAnApp, request: httpx.Request) -> httpx.Response:
    """Run the app in the task that awaits this, to its end, and return the response.

    Cancelling it cancels the app, which is a part of this call: if the app completes its response all the same, that is
    returned.

    Raises:
        BrokenContractError: The app started a response twice, went on after its end, or returned before it.
        BaseException: What the app raised, as it is.
    """
    COUNTER.requests += 1
    call = AppCall(request)
    try:
        await transport.app(_scope(transport, request), call.receive, call.send)
    except Exception:
        if transport.raise_app_exceptions:
            raise
        call.fail()
    return call.response()


def _scope(transport: TransportOfAnApp, request: httpx.Request) -> Scope:
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.partition(b"?")[0],
        "query_string": url.query,
        "server": (url.host, url.port),  # None for the scheme's own port
        "client": transport.client,
        "root_path": transport.root_path,
    }


class SameTaskTransport(Generic[Request, Response]):
    """Runs an ASGI app in the task that awaits the request, to its end, before the response is there to be read.

    It is to be derived from the transport of a library as well, which has the constructor and the attributes.
    """

    app: Any
    raise_app_exceptions: bool
    root_path: str
    client: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        COUNTER.clients += 1

    async def handle_async_request(self, request: Request) -> Response:
        """Return the response to `request`: see `respond`."""
        # The libraries' classes are as good as the same, but for their names.
        return cast("Response", await respond(self, cast("httpx.Request", request)))


class AppCall:
    """One call of an app: its request, and what becomes of the response."""

    _status: int | None = None
    _headers: Any = ()
    _complete = False

    def __init__(self, request: httpx.Request) -> None:
        """Prepare the call.

        Raises:
            TypeError: The body of `request` cannot be iterated asynchronously.
        """
        self._http = library_of(request)
        if not isinstance(request.stream, self._http.AsyncByteStream):
            msg = f"the body of {request!r} is {request.stream!r}, which cannot be iterated asynchronously"
            raise TypeError(msg)
        self._request = request
        self._body: Any = aiter(request.stream)
        self._received = False
        self._chunks: list[bytes] = []
        self._completion: anyio.Event | None = None

    async def receive(self) -> Message:
        """Give the app the next chunk of the request as it comes, then an empty one; then wait for the response."""
        if not self._received:
            try:
                chunk = await anext(self._body)
            except StopAsyncIteration:
                self._received = True
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.request", "body": chunk, "more_body": True}
        if not self._complete:
            self._completion = self._completion or anyio.Event()
            await self._completion.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message of the app. Those that are no part of a response are let pass.

        Raises:
            BrokenContractError: The response has started, or was complete, already.
        """
        kind = message["type"]
        if kind == "http.response.start":
            if self._status is not None:
                raise self._broken("sent http.response.start twice")
            self._headers = message.get("headers", [])
            self._status = message["status"]
        elif kind == "http.response.body":
            if self._complete:
                raise self._broken("sent http.response.body after the end of its response")
            chunk = message.get("body", b"")
            if chunk and self._request.method != "HEAD":
                self._chunks.append(chunk)
            if not message.get("more_body", False):
                self._end()

    def fail(self) -> None:
        """End the response as it is; one that has not started is a 500."""
        if self._status is None:
            self._status = 500
        self._end()

    def _end(self) -> None:
        self._complete = True
        if self._completion is not None:
            self._completion.set()

    def response(self) -> httpx.Response:
        """Return the response.

        Raises:
            BrokenContractError: It is not complete.
        """
        if self._status is None:
            raise self._broken("returned without a response. Does every branch of this path send one?")
        if not self._complete:
            what = (
                "returned before the end of its response. Is the last http.response.body, without more_body, missing?"
            )
            raise self._broken(what)
        stream = self._http.ByteStream(b"".join(self._chunks))
        return self._http.Response(self._status, headers=self._headers, stream=stream)

    def _broken(self, what: str) -> BrokenContractError:
        return BrokenContractError(f"{self._request.method} {self._request.url.path}: application {what}")

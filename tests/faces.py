"""One blocking way to drive both clients, so that one test can hold both to the same contract.

The blocking face is `TestClient` itself. The awaited face is `AsyncClient`, entered, awaited and left in a portal of
the test's own. Tests see a `Client`, a `Stream` and a `Socket`, and need not know which.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from asgi_testkit import AsyncClient, AsyncWebSocketSession, Message, TestClient, WebSocketSession
from asgi_testkit._conversation.websocket import WebSocketConnection

from .backends import Backend

T = TypeVar("T")


class Stream(ABC):
    """A response that is being read."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response

    @abstractmethod
    def next(self) -> bytes | None:
        """Return the next chunk as it came, None at the end."""

    @abstractmethod
    def read(self) -> bytes:
        """Read all of the body."""

    def chunks(self) -> list[bytes]:
        """Read what is left, chunk by chunk."""
        return list(iter(self.next, None))

    @abstractmethod
    def reader(self, kind: str) -> Reader:
        """Read it by ``lines``, ``ndjson`` or ``events`` of the exchange."""


class Reader(ABC):
    """A reader of a body."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    @abstractmethod
    def do(self, verb: str, *args: Any, **options: Any) -> Any:
        """Call a method of the reader by the name that it has if it is blocking."""

    def __getattr__(self, verb: str) -> Any:
        return lambda *args, **options: self.do(verb, *args, **options)

    def __iter__(self) -> Iterator[Any]:
        assert self.do("__iter__") is self._reader
        while True:
            try:
                item = self.do("__next__")
            except StopAsyncIteration:
                return
            yield item


class Socket(ABC):
    """A test's end of a WebSocket connection, to be used in a `with` block.

    Attributes:
        session: The session itself, for what is no call into the event loop.
    """

    session: AsyncWebSocketSession | WebSocketSession

    @abstractmethod
    def do(self, verb: str, *args: Any, **options: Any) -> Any:
        """Call a method of the session by the name that it has if it is blocking."""

    def __enter__(self) -> Self:
        self.do("__enter__")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.do("__exit__", kind, error, traceback)

    @property
    def connection(self) -> WebSocketConnection:
        """The core of the session."""
        assert self.session._connection is not None
        return self.session._connection

    def wait(self, timeout: float | None = 5.0) -> None:
        """Wait for the end of the app."""
        self.do("wait", timeout)

    def send(self, message: Any) -> None:
        """Send data or a message."""
        self.do("send", message)

    def send_text(self, data: str) -> None:
        """Send text."""
        self.do("send_text", data)

    def send_bytes(self, data: Any) -> None:
        """Send bytes."""
        self.do("send_bytes", data)

    def send_json(self, data: Any, mode: Any = "text") -> None:
        """Send JSON."""
        self.do("send_json", data, mode)

    def receive(self, **options: Any) -> Message:
        """Receive a message."""
        message: Message = self.do("receive", **options)
        return message

    def receive_text(self, **options: Any) -> str:
        """Receive text."""
        text: str = self.do("receive_text", **options)
        return text

    def receive_bytes(self, **options: Any) -> bytes:
        """Receive bytes."""
        data: bytes = self.do("receive_bytes", **options)
        return data

    def receive_json(self, mode: Any = "text", **options: Any) -> Any:
        """Receive JSON."""
        return self.do("receive_json", mode, **options)

    def close(self, *args: Any, **options: Any) -> None:
        """Close the connection."""
        self.do("close", *args, **options)

    def abort(self) -> None:
        """Lose it."""
        self.do("abort")

    def __iter__(self) -> Iterator[str | bytes]:
        """Receive data until the close."""
        assert self.do("__iter__") is self.session
        while True:
            try:
                data = self.do("__next__")
            except StopAsyncIteration:
                return
            yield data


class Client(ABC):
    """A client, whichever."""

    face: str

    @abstractmethod
    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send a request and read its response."""

    def get(self, url: str = "/", **options: Any) -> httpx.Response:
        """Send a GET request and read its response."""
        return self.request("GET", url, **options)

    def post(self, url: str = "/", **options: Any) -> httpx.Response:
        """Send a POST request and read its response."""
        return self.request("POST", url, **options)

    @abstractmethod
    def stream(self, method: str = "GET", url: str = "/", **options: Any) -> Any:
        """Return a context manager for a `Stream`."""

    @abstractmethod
    def wait(self, response: httpx.Response, timeout: float = 5.0) -> None:
        """Wait for the end of the app that sent `response`."""

    @abstractmethod
    def unclosed(self) -> httpx.Response:
        """Send a request, and leave its response alone."""

    @abstractmethod
    def connect(self, url: str = "/", *args: Any, **options: Any) -> Socket:
        """Return a WebSocket session, which its `with` connects."""

    @abstractmethod
    def upload(self, *chunks: bytes) -> Any:
        """Return a streamed request body of these chunks."""

    @abstractmethod
    def acting_as(self, **identity: Any) -> Client:
        """Return a client for a second user."""

    @abstractmethod
    def call(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Run an async function in the app's event loop."""


class Face(ABC):
    """Makes clients of one kind, on one backend."""

    name: str

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def __str__(self) -> str:
        return f"{self.name}-{self.backend.id}"

    @abstractmethod
    def open(self, app: Any, **options: Any) -> Any:
        """Return a context manager for a `Client` whose app's lifespan runs."""

    @abstractmethod
    def bare(self, app: Any, **options: Any) -> Any:
        """Return a context manager for a `Client` without lifespan; it is closed at the end."""


class BlockingStream(Stream):
    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response)
        self._chunks = response.iter_raw()

    def next(self) -> bytes | None:
        return next(self._chunks, None)

    def read(self) -> bytes:
        return self.response.read()

    def reader(self, kind: str) -> Reader:
        return BlockingReader(getattr(self.response.extensions["asgi"], kind)())


class BlockingReader(Reader):
    def do(self, verb: str, *args: Any, **options: Any) -> Any:
        try:
            return getattr(self._reader, verb)(*args, **options)
        except StopIteration:
            raise StopAsyncIteration from None


class BlockingSocket(Socket):
    def __init__(self, session: WebSocketSession) -> None:
        self.session = session

    def do(self, verb: str, *args: Any, **options: Any) -> Any:
        try:
            return getattr(self.session, verb)(*args, **options)
        except StopIteration:
            raise StopAsyncIteration from None  # which passes through a generator


class BlockingClient(Client):
    def __init__(self, client: TestClient) -> None:
        self.client = client

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        return self.client.request(method, url, **options)

    @contextmanager
    def stream(self, method: str = "GET", url: str = "/", **options: Any) -> Iterator[Stream]:
        with self.client.stream(method, url, **options) as response:
            yield BlockingStream(response)

    def wait(self, response: httpx.Response, timeout: float = 5.0) -> None:
        response.extensions["asgi"].wait(timeout)

    def unclosed(self) -> httpx.Response:
        return self.client.send(self.client.build_request("GET", "/"), stream=True)

    def connect(self, url: str = "/", *args: Any, **options: Any) -> Socket:
        return BlockingSocket(self.client.websocket_connect(url, *args, **options))

    def upload(self, *chunks: bytes) -> Iterator[bytes]:
        yield from chunks

    def acting_as(self, **identity: Any) -> Client:
        return BlockingClient(self.client.acting_as(**identity))

    def call(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        return self.client.portal.call(function, *args)


class BlockingFace(Face):
    name = "blocking"

    @contextmanager
    def open(self, app: Any, **options: Any) -> Iterator[Client]:
        with TestClient(app, backend=self.backend.name, backend_options=self.backend.options, **options) as client:
            yield BlockingClient(client)

    @contextmanager
    def bare(self, app: Any, **options: Any) -> Iterator[Client]:
        client = TestClient(app, backend=self.backend.name, backend_options=self.backend.options, **options)
        try:
            yield BlockingClient(client)
        finally:
            client.close()


class AwaitedStream(Stream):
    def __init__(self, response: httpx.Response, portal: BlockingPortal) -> None:
        super().__init__(response)
        self._portal = portal
        # aiter_raw() would leave a generator within a generator to the garbage collector, of which trio warns.
        self._chunks: Any = response.stream.__aiter__()  # type: ignore[union-attr]  # an AsyncByteStream

    def next(self) -> bytes | None:
        chunk: bytes | None = self._portal.call(anext, self._chunks, None)
        return chunk

    def read(self) -> bytes:
        return self._portal.call(self.response.aread)

    def reader(self, kind: str) -> Reader:
        return AwaitedReader(getattr(self.response.extensions["asgi"], kind)(), self._portal)


class AwaitedReader(Reader):
    def __init__(self, reader: Any, portal: BlockingPortal) -> None:
        super().__init__(reader)
        self._portal = portal

    def do(self, verb: str, *args: Any, **options: Any) -> Any:
        if verb == "__iter__":
            return self._reader.__aiter__()
        return self._portal.call(
            lambda: getattr(self._reader, {"__next__": "__anext__"}.get(verb, verb))(*args, **options)
        )


def outcome_of(portal: BlockingPortal, function: Callable[[], Awaitable[T]]) -> T:
    """Call an async function in a portal. What would end its loop, were it raised in a task there, is raised here."""

    async def call() -> tuple[T, None] | tuple[None, BaseException]:
        try:
            return await function(), None
        except (KeyboardInterrupt, SystemExit) as error:
            return None, error

    result, error = portal.call(call)
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # there is one, if there is no error


class AwaitedSocket(Socket):
    def __init__(self, session: AsyncWebSocketSession, portal: BlockingPortal) -> None:
        self.session = session
        self._portal = portal

    def do(self, verb: str, *args: Any, **options: Any) -> Any:
        if verb == "__iter__":
            return self.session.__aiter__()  # type: ignore[union-attr]  # the awaited one
        name = {"__enter__": "__aenter__", "__exit__": "__aexit__", "__next__": "__anext__"}.get(verb, verb)
        return outcome_of(self._portal, lambda: getattr(self.session, name)(*args, **options))


class AwaitedClient(Client):
    def __init__(self, client: AsyncClient, portal: BlockingPortal) -> None:
        self.client = client
        self._portal = portal

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        return outcome_of(self._portal, lambda: self.client.request(method, url, **options))

    @contextmanager
    def stream(self, method: str = "GET", url: str = "/", **options: Any) -> Iterator[Stream]:
        with self._portal.wrap_async_context_manager(self.client.stream(method, url, **options)) as response:
            yield AwaitedStream(response, self._portal)

    def wait(self, response: httpx.Response, timeout: float = 5.0) -> None:
        self._portal.call(response.extensions["asgi"].wait, timeout)

    def unclosed(self) -> httpx.Response:
        return self._portal.call(lambda: self.client.send(self.client.build_request("GET", "/"), stream=True))

    def connect(self, url: str = "/", *args: Any, **options: Any) -> Socket:
        return AwaitedSocket(self.client.websocket_connect(url, *args, **options), self._portal)

    async def upload(self, *chunks: bytes) -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    def acting_as(self, **identity: Any) -> Client:
        return AwaitedClient(self.client.acting_as(**identity), self._portal)

    def call(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        return self._portal.call(function, *args)


class AwaitedFace(Face):
    name = "awaited"

    @contextmanager
    def open(self, app: Any, **options: Any) -> Iterator[Client]:
        options.setdefault("follow_redirects", True)
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal(self.backend.name, self.backend.options))
            client = stack.enter_context(portal.wrap_async_context_manager(AsyncClient(app, **options)))
            yield AwaitedClient(client, portal)

    @contextmanager
    def bare(self, app: Any, **options: Any) -> Iterator[Client]:
        options.setdefault("follow_redirects", True)
        with start_blocking_portal(self.backend.name, self.backend.options) as portal:
            client = AsyncClient(app, **options)
            try:
                yield AwaitedClient(client, portal)
            finally:
                portal.call(client.aclose)


#: Opens a blocking client of an app, with options, as a context manager.
Opener: TypeAlias = Callable[..., Any]


@contextmanager
def entered(app: Any, **options: Any) -> Iterator[TestClient]:
    with TestClient(app, **options) as client:
        yield client


@contextmanager
def bare(app: Any, **options: Any) -> Iterator[TestClient]:
    client = TestClient(app, **options)
    try:
        yield client
    finally:
        client.close()

"""One blocking way to drive both clients, so that one test can hold both to the same contract.

The blocking face is `TestClient` itself. The awaited face is `AsyncClient`, entered, awaited and left in a portal of
the test's own. Tests see a `Client` and a `Stream`, and need not know which.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from asgi_testkit import AsyncClient, TestClient

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
    def upload(self, *chunks: bytes) -> Any:
        """Return a streamed request body of these chunks."""

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

    def upload(self, *chunks: bytes) -> Iterator[bytes]:
        yield from chunks

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

    async def finish(self) -> None:
        await self._chunks.aclose()


class AwaitedClient(Client):
    def __init__(self, client: AsyncClient, portal: BlockingPortal) -> None:
        self.client = client
        self._portal = portal

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        async def request() -> httpx.Response | BaseException:
            try:
                return await self.client.request(method, url, **options)
            except (KeyboardInterrupt, SystemExit) as error:  # raised in a portal's task they would end the loop
                return error

        outcome = self._portal.call(request)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    @contextmanager
    def stream(self, method: str = "GET", url: str = "/", **options: Any) -> Iterator[Stream]:
        with self._portal.wrap_async_context_manager(self.client.stream(method, url, **options)) as response:
            stream = AwaitedStream(response, self._portal)
            try:
                yield stream
            finally:
                self._portal.call(stream.finish)

    def wait(self, response: httpx.Response, timeout: float = 5.0) -> None:
        self._portal.call(response.extensions["asgi"].wait, timeout)

    def unclosed(self) -> httpx.Response:
        return self._portal.call(lambda: self.client.send(self.client.build_request("GET", "/"), stream=True))

    async def upload(self, *chunks: bytes) -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

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

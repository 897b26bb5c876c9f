"""Peak memory of a streamed body, and of a WebSocket's messages, down and up, awaited and blocking.

It must not depend on the length. Every chunk and message is an object of its own, and the reader keeps none.
``tracemalloc`` sees every allocation; the resident size of the process would show its allocator's moods as well.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import httpx

from asgi_testkit import ASGITransport, AsyncClient, TestClient

from . import apps, awaited, blocking
from .report import Row, Section, Verdict
from .rounds import Case, Settings

SHORT = 16  # MiB
BAR = apps.KIB  # KiB
SLACK = 64  # KiB that the long stream may take more than the short one

#: Streams this many bytes, and returns how many came.
Transfer = Callable[[int, Settings], object]


@dataclass(frozen=True)
class PeakCase:
    """The peak, in KiB, while 16 MiB are streamed, and while `long` MiB are."""

    name: str
    transfer: Transfer
    reference: Transfer | None = None
    long: int = 1024

    def run(self, settings: Settings) -> Section:
        self.transfer(apps.MIB, settings)
        short, long = (peak(self.transfer, size * apps.MIB, settings) for size in (SHORT, self.long))
        rows = [Row(f"ours, {SHORT} MiB", short), Row(f"ours, {self.long:,} MiB", long)]
        if self.reference is not None:
            reference = peak(self.reference, SHORT * apps.MIB, settings)
            rows.append(Row(f"httpx.ASGITransport, {SHORT} MiB", reference))
        beyond = f"{self.long:,} MiB beyond {SHORT} MiB"
        verdicts = [Verdict(f"ours, {SHORT} MiB", short, BAR), Verdict(beyond, long - short, SLACK)]
        return Section(self.name, "KiB", "once", rows, verdicts)


def peak(transfer: Transfer, size: int, settings: Settings) -> float:
    """Return how many KiB more than before were in use at once while `size` bytes were streamed."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        came = transfer(size, settings)
        assert came == size, f"{came} bytes came of {size}"
        return (tracemalloc.get_traced_memory()[1] - before) / apps.KIB
    finally:
        tracemalloc.stop()


def await_it(job: Callable[[], Awaitable[object]], settings: Settings) -> object:
    async def main() -> object:
        return await job()

    with settings.runner() as runner:
        return runner.run(main())


def over(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=transport, base_url=awaited.URL, timeout=60)


def awaited_download(size: int, settings: Settings) -> object:
    client = over(ASGITransport(apps.sends(size, anew=True)))
    return await_it(lambda: awaited.Stream().by_httpx(client), settings)


def httpx_download(size: int, settings: Settings) -> object:
    client = over(httpx.ASGITransport(apps.sends(size, anew=True)))
    return await_it(lambda: awaited.Stream().by_httpx(client), settings)


def awaited_upload(size: int, settings: Settings) -> object:
    return await_it(lambda: post(over(ASGITransport(apps.receives)), size), settings)


def httpx_upload(size: int, settings: Settings) -> object:
    transport = httpx.ASGITransport(apps.receives)
    return await_it(lambda: post(over(transport), size), settings)


async def post(client: httpx.AsyncClient, size: int) -> object:
    response = await client.post("/", content=awaited.chunks(size, anew=True))
    return int(response.content)


def blocking_download(size: int, settings: Settings) -> object:
    app = apps.sends(size, anew=True)
    return blocking.stream(TestClient(app, backend_options=settings.backend_options, timeout=60))


def blocking_upload(size: int, settings: Settings) -> object:
    client = TestClient(apps.receives, backend_options=settings.backend_options, timeout=60)
    return int(client.post("/", content=new_chunks(size)).content)


def new_chunks(size: int) -> Iterator[bytes]:
    for _ in range(0, size, len(apps.CHUNK)):
        yield bytes(len(apps.CHUNK))


def awaited_messages_down(size: int, settings: Settings) -> object:
    async def job() -> object:
        client = AsyncClient(apps.sends_messages(size), lifespan="off", timeout=60)
        length = 0
        async with client, client.websocket_connect("/") as session:
            for _ in range(0, size, len(apps.CHUNK)):
                length += len(await session.receive_bytes())
        return length

    return await_it(job, settings)


def awaited_messages_up(size: int, settings: Settings) -> object:
    async def job() -> object:
        client = AsyncClient(apps.receives_messages, lifespan="off", timeout=60)
        async with client, client.websocket_connect("/") as session:
            for chunk in new_chunks(size):
                await session.send_bytes(chunk)
            await session.send_bytes(b"")
            return int(await session.receive_text())

    return await_it(job, settings)


def blocking_messages_down(size: int, settings: Settings) -> object:
    client = TestClient(apps.sends_messages(size), backend_options=settings.backend_options, timeout=60)
    length = 0
    with client.websocket_connect("/") as session:
        for _ in range(0, size, len(apps.CHUNK)):
            length += len(session.receive_bytes())
    return length


def blocking_messages_up(size: int, settings: Settings) -> object:
    client = TestClient(apps.receives_messages, backend_options=settings.backend_options, timeout=60)
    with client.websocket_connect("/") as session:
        for chunk in new_chunks(size):
            session.send_bytes(chunk)
        session.send_bytes(b"")
        return int(session.receive_text())


CASES: list[Case] = [
    PeakCase("peak memory, awaited download", awaited_download, httpx_download),
    PeakCase("peak memory, awaited upload", awaited_upload, httpx_upload),
    PeakCase("peak memory, blocking download", blocking_download),
    PeakCase("peak memory, blocking upload", blocking_upload),
    PeakCase("peak memory, awaited WebSocket, down", awaited_messages_down, long=100),
    PeakCase("peak memory, awaited WebSocket, up", awaited_messages_up, long=100),
    PeakCase("peak memory, blocking WebSocket, down", blocking_messages_down, long=100),
    PeakCase("peak memory, blocking WebSocket, up", blocking_messages_up, long=100),
]

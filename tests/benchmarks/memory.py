"""Peak memory of a streamed body, down and up, awaited and blocking: it must not depend on the length.

Every chunk is an object of its own, and the reader keeps none. ``tracemalloc`` sees every allocation; the resident size
of the process would show its allocator's moods as well.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import httpx

from asgi_testkit import ASGITransport, TestClient

from . import apps, awaited, blocking
from .report import Row, Section, Verdict
from .rounds import Case, Settings

SHORT = 16 * apps.MIB
LONG = 1024 * apps.MIB
BAR = apps.KIB  # KiB
SLACK = 64  # KiB that the long stream may take more than the short one

#: Streams this many bytes, and returns how many came.
Transfer = Callable[[int, Settings], object]


@dataclass(frozen=True)
class PeakCase:
    """The peak, in KiB, while 16 MiB and while 1 GiB are streamed."""

    name: str
    transfer: Transfer
    reference: Transfer | None = None

    def run(self, settings: Settings) -> Section:
        self.transfer(apps.MIB, settings)
        short, long = (peak(self.transfer, size, settings) for size in (SHORT, LONG))
        rows = [Row("ours, 16 MiB", short), Row("ours, 1 GiB", long)]
        if self.reference is not None:
            rows.append(Row("httpx.ASGITransport, 16 MiB", peak(self.reference, SHORT, settings)))
        verdicts = [Verdict("ours, 16 MiB", short, BAR), Verdict("1 GiB beyond 16 MiB", long - short, SLACK)]
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


CASES: list[Case] = [
    PeakCase("peak memory, awaited download", awaited_download, httpx_download),
    PeakCase("peak memory, awaited upload", awaited_upload, httpx_upload),
    PeakCase("peak memory, blocking download", blocking_download),
    PeakCase("peak memory, blocking upload", blocking_upload),
]

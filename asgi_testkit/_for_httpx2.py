"""What ``pytest --asgi-testkit`` puts in the place of ``httpx2.ASGITransport``."""

from __future__ import annotations

import httpx2

from ._like_httpx import SameTaskTransport


class ASGITransport(SameTaskTransport[httpx2.Request, httpx2.Response], httpx2.ASGITransport):
    """Runs an ASGI app in the task that awaits the request, as the one of httpx2."""

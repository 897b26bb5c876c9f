"""What ``pytest --asgi-testkit`` puts in the place of ``httpx.ASGITransport``."""

from __future__ import annotations

import httpx

from ._like_httpx import SameTaskTransport


class ASGITransport(SameTaskTransport[httpx.Request, httpx.Response], httpx.ASGITransport):
    """Runs an ASGI app in the task that awaits the request, as the one of httpx."""

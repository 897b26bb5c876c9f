"""httpx2 in the place of httpx, for everything that is imported from now on."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module

import httpcore2
import httpx2

import asgi_testkit
import asgi_testkit.httpx2

#: What is made of the classes of libraries that may go by httpx2, too.
FOR_OTHERS = {f"asgi_testkit._standins.{name}" for name in ("asgi_lifespan", "httpx_ws")}


def stand_in() -> None:
    """Put it there."""
    for module in pkgutil.walk_packages(asgi_testkit.__path__, "asgi_testkit."):
        if module.name not in FOR_OTHERS:
            import_module(module.name)  # with httpx, as long as that is httpx
    sys.modules["httpx"] = httpx2
    sys.modules["httpcore"] = httpcore2
    for name in asgi_testkit.httpx2.__all__:
        setattr(asgi_testkit, name, getattr(asgi_testkit.httpx2, name))

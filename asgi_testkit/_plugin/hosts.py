"""The fixture asgi_hosts: `hosts`, for as long as a test lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import wraps
from typing import Any

from .._blocking.hosts import Hosts, hosts


def held_hosts() -> Iterator[Callable[..., Hosts]]:
    """Yield a function that takes what `hosts` takes, and enters it until the test ends."""
    with ExitStack() as stack:

        @wraps(hosts)
        def hold(*args: Any, **options: Any) -> Hosts:
            return stack.enter_context(hosts(*args, **options))

        yield hold

"""The options of transports, clients and single requests, and their checks.

A value of the wrong type is a TypeError, one that makes no sense a ValueError. The text names it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict

from .._types import Background
from .faults import Fault, GivenFaults, faults_of

#: Seconds from which on a limit is none: thirty years.
_FOREVER = 1e9


#: Options that our own clients and sessions set for a request, and no test.
_OF_CLIENTS = ("frames", "recorder")


class TransportOptions(TypedDict, total=False):
    """The options that `ASGITransport` explains, and that both clients hand to it."""

    write_buffer: int
    background: Background
    disconnect_grace: float
    strict: bool
    compression: bool
    max_message_size: int | None
    scope: Mapping[str, Any] | None
    asgi_extensions: Mapping[str, Any] | None
    record: bool
    faults: GivenFaults


class ExchangeOptions(NamedTuple):
    """The options of one exchange. What they mean to a test is told in `ASGITransport`."""

    raise_server_exceptions: bool = True
    write_buffer: int = 65536
    background: Background = "wait"
    disconnect_grace: float = 1.0
    strict: bool = False
    compression: bool = False
    max_message_size: int | None = 16 * 1024 * 1024
    faults: tuple[Fault, ...] | None = None  # in any form that the option takes, until they are checked
    expect_status: Any = None  # judged by the client, which has set the last one then
    frames: bool = True  # whether a WebSocket connection is one in frames; a session sets it for its request
    recorder: Any = None  # who hears of the request for its client

    def checked(self) -> ExchangeOptions:
        """Return the options, if they make sense."""
        if self.background not in ("wait", "detach"):
            msg = f'background must be "wait" or "detach", not {self.background!r}'
            raise ValueError(msg)
        _check(self.write_buffer, "write_buffer", "is a number of bytes, 0 or more", int)
        _check(self.disconnect_grace, "disconnect_grace", "is in seconds, 0 or more", int | float)
        if self.max_message_size is not None:
            _check(self.max_message_size, "max_message_size", "is a number of bytes, 0 or more, or None", int)
        if self.expect_status is not None and self.recorder is None:
            msg = "expect_status is judged by AsyncClient and TestClient, and another client has sent this request"
            raise ValueError(msg)
        return self if self.faults is None else self._replace(faults=faults_of(self.faults))

    def overridden(self, changes: Mapping[str, Any]) -> ExchangeOptions:
        """Return the options with those changed that a request sets in ``extensions={"asgi": {...}}``."""
        unknown = changes.keys() - set(self._fields)
        if unknown:
            known = ", ".join(["scope", *(field for field in self._fields if field not in _OF_CLIENTS)])
            msg = f'extensions={{"asgi": ...}} knows {known}, not {", ".join(sorted(map(repr, unknown)))}'
            raise ValueError(msg)
        return self._replace(**changes).checked()


def duration(value: Any, name: str) -> float | None:
    """Return a duration that a test hands over, None for no limit. One that is negative has passed already: it is 0.

    Args:
        value: Seconds, or None.
        name: What an error calls it.
    """
    if value is None:
        return None
    _check(value, name, "is in seconds, or None for no limit", int | float, least=-math.inf)
    return None if value > _FOREVER else max(value, 0.0)


def timeouts_of(extensions: Mapping[str, Any]) -> Mapping[str, float | None]:
    """Return the timeouts in a request's extensions: ``connect``, ``read``, ``write`` and ``pool``."""
    given: Mapping[str, float | None] = extensions.get("timeout", {})
    if type(given) is not dict:
        given = mapping(given, 'extensions={"timeout": ...}')
    for value in given.values():
        if type(value) is not float or not 0.0 <= value <= _FOREVER:
            return {name: duration(value, f"timeout= ({name})") for name, value in given.items()}
    return given


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Return `value`, which is to be a mapping, and is called `name` in errors."""
    if type(value) is not dict and not isinstance(value, Mapping):  # the second takes its time
        msg = f"{name} is a dict, not {value!r}"
        raise TypeError(msg)
    return value


def _check(value: Any, name: str, what: str, kind: Any, *, least: float = 0) -> None:
    if isinstance(value, bool) or not isinstance(value, kind):
        msg = f"{name} {what}, not {value!r}"
        raise TypeError(msg)
    if not value >= least:  # nor is NaN
        msg = f"{name} {what}, not {value!r}"
        raise ValueError(msg)

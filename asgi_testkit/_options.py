"""How an exchange is to go, as the transport, the clients and a single request may set it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ._types import Background


class ExchangeOptions(NamedTuple):
    """The options of one exchange. What they mean to a test is told in `ASGITransport`."""

    raise_server_exceptions: bool = True
    write_buffer: int = 65536
    background: Background = "wait"
    disconnect_grace: float = 1.0
    strict: bool = False
    compression: bool = False
    max_message_size: int | None = 16 * 1024 * 1024

    def checked(self) -> ExchangeOptions:
        """Return the options, if they make sense.

        Raises:
            ValueError: One of them does not; the text says which.
        """
        if self.background not in {"wait", "detach"}:
            msg = f'background must be "wait" or "detach", not {self.background!r}'
            raise ValueError(msg)
        if self.write_buffer < 0:
            msg = f"write_buffer is a number of bytes, 0 or more, not {self.write_buffer!r}"
            raise ValueError(msg)
        if self.disconnect_grace < 0:
            msg = f"disconnect_grace is in seconds, 0 or more, not {self.disconnect_grace!r}"
            raise ValueError(msg)
        if self.max_message_size is not None and self.max_message_size < 0:
            msg = f"max_message_size is a number of bytes, 0 or more, or None, not {self.max_message_size!r}"
            raise ValueError(msg)
        return self

    def overridden(self, changes: Mapping[str, Any]) -> ExchangeOptions:
        """Return the options with those changed that a request sets in ``extensions={"asgi": {...}}``.

        Raises:
            ValueError: There is no such option, or its value makes no sense.
        """
        unknown = changes.keys() - set(self._fields)
        if unknown:
            known = ", ".join(["scope", *self._fields])
            msg = f'extensions={{"asgi": ...}} knows {known}, not {", ".join(map(repr, sorted(unknown)))}'
            raise ValueError(msg)
        return self._replace(**changes).checked()

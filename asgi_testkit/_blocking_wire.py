"""The wire of a blocking client: it forwards to the stream in another thread's event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._hop import Hop
    from ._wire import WireStream


class BlockingWireStream:
    """The blocking twin of `WireStream`: the ``network_stream`` of a `TestClient`'s 101 response.

    There is a ``NetworkStream`` of httpcore, or of what the HTTP library has in its place, to derive it from.
    """

    def __init__(self, stream: WireStream, hop: Hop) -> None:
        self._stream = stream
        self._hop = hop

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read from the connection; as `WireStream.read`."""
        self._stream.check(self._stream.network.ReadError)
        return self._hop.call(lambda: self._stream.read(max_bytes, timeout), name="read")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write to the connection; as `WireStream.write`."""
        self._stream.check(self._stream.network.WriteError)
        self._hop.call(lambda: self._stream.write(buffer, timeout), name="write")

    def close(self) -> None:
        """Close the socket; as `WireStream.aclose`."""
        if not self._stream.over:
            self._hop.call(self._stream.aclose, name="close")

    def get_extra_info(self, info: str) -> Any:
        """Return ``client_addr`` or ``server_addr``; None for what there is not in-process."""
        return self._stream.get_extra_info(info)

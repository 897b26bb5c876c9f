"""Undoes the content codings of a body (RFC 9110 section 8.4), as the parts of it come. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TypeAlias

#: Returns what the next part of a body stands for. Where that is not what it is said to be, it raises a ``zlib.error``.
Decode: TypeAlias = Callable[[bytes], bytes]

#: Codings that take another package to undo.
_TAKE_A_PACKAGE = frozenset({"br", "zstd"})


def decoder_of(codings: str) -> Decode:
    """Return what undoes the codings that a ``content-encoding`` names. One that nobody knows is left as it is.

    Raises:
        ValueError: It names one that is not undone here.
    """
    decoders: list[Decode] = []
    for coding in reversed([name.strip().lower() for name in codings.split(",")]):
        if coding in _TAKE_A_PACKAGE:
            msg = (
                f"the body has the content-encoding {coding!r}, which is not decoded here. Ask the app for another: "
                'headers={"accept-encoding": "gzip"}'
            )
            raise ValueError(msg)
        if coding in {"gzip", "x-gzip"}:
            decoders.append(zlib.decompressobj(zlib.MAX_WBITS | 16).decompress)
        elif coding == "deflate":
            decoders.append(_Deflate())

    def decode(data: bytes) -> bytes:
        for each in decoders:
            data = each(data)
        return data

    return decode


class _Deflate:
    """Decodes a zlib stream (RFC 1950), or, as some apps send it, the same without its header."""

    _inflate: Decode | None = None

    def __init__(self) -> None:
        self._begun = b""

    def __call__(self, data: bytes) -> bytes:
        if self._inflate is None:
            data = self._begun = self._begun + data
            if len(data) < 2:
                return b""
            has_header = data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS).decompress
        return self._inflate(data)

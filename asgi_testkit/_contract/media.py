"""Types of bodies, and what bodies of these types hold."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

from .exchange import BODY_KEPT

#: How much is made of a compressed body.
_LARGEST_DECODED = 16 * BODY_KEPT

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


def media_type(headers: Mapping[str, list[str]]) -> str:
    """Return the type of a body without its parameters, in lower case; "" if it is not said."""
    return headers.get("content-type", [""])[0].partition(";")[0].strip().lower()


def decoded(content: bytes, headers: Mapping[str, list[str]]) -> bytes | None:
    """Return a body without the compression that its headers name; None if that is unknown here, or is not kept to."""
    codings = [part.strip().lower() for value in headers.get("content-encoding", ()) for part in value.split(",")]
    for coding in reversed([coding for coding in codings if coding not in {"", "identity"}]):
        if coding not in {"gzip", "x-gzip", "deflate"}:
            return None
        decompressor = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            content = decompressor.decompress(content, _LARGEST_DECODED)
        except zlib.error:
            return None
        if not decompressor.eof:
            return None
    return content


def promise_for(kind: str, content: dict[str, Any]) -> str | None:
    """Return which of the types of a document a type is; None if it is none of them."""
    known = {each.partition(";")[0].strip().lower(): each for each in content}
    for wanted in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        if wanted in known:
            return known[wanted]
    return None


def is_json(kind: str) -> bool:
    """Whether a type is JSON."""
    return kind in {"application/json", "text/json"} or kind.endswith("+json")


def parsed(body: bytes) -> Any:
    """Return what JSON stands for.

    Raises:
        ValueError: It is none; ``NaN`` is not, whatever Python thinks.
    """
    try:
        return json.loads(body, parse_constant=_refuse)
    except RecursionError:
        msg = "too deep"
        raise ValueError(msg) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)

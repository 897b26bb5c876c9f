"""Recorded conversations as HAR 1.2, the form in which browsers and tools exchange HTTP traffic.

WebSocket messages are where Chrome and Playwright put them, in ``_webSocketMessages``. See http://www.softwareishard.com/blog/har-12-spec/.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import parse_qsl

from .secrets import Secrets

_HTTP_VERSION = "HTTP/1.1"

#: What HAR has for a size that is not known.
_UNKNOWN = -1


def har(pages: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return conversations as HAR.

    Args:
        pages: The conversations, as `as_json.conversations` has them, by what they belong to: a test, say.
    """
    told = []
    entries = []
    for number, (title, conversations) in enumerate(pages.items()):
        page = f"page_{number}"
        kept = list(conversations)
        causes = {each["number"]: each for each in kept}
        own = [_entry(each, page, causes.get(each["caused_by"])) for each in kept if each["kind"] != "lifespan"]
        if own:
            began = min(entry["startedDateTime"] for entry in own)
            told.append({"startedDateTime": began, "id": page, "title": title, "pageTimings": {}})
            entries += own
    entries.sort(key=lambda entry: str(entry["startedDateTime"]))
    return {"log": {"version": "1.2", "creator": _creator(), "pages": told, "entries": entries}}


def _creator() -> dict[str, str]:
    try:
        return {"name": "asgi-testkit", "version": version("asgi-testkit")}
    except PackageNotFoundError:  # it runs out of a folder
        return {"name": "asgi-testkit", "version": ""}


def _entry(told: Mapping[str, Any], page: str, cause: Mapping[str, Any] | None) -> dict[str, Any]:
    messages = told["messages"]
    started = next((each["at_ms"] for each in messages if each["type"].endswith((".start", ".accept"))), None)
    lasted = told["lasted_ms"] if told["lasted_ms"] is not None else max([0.0, *(each["at_ms"] for each in messages)])
    wait = lasted if started is None else started
    entry: dict[str, Any] = {
        "pageref": page,
        "startedDateTime": datetime.fromisoformat(told["began"]).isoformat(),
        "time": lasted,
        "request": _request(told),
        "response": _response(told),
        "cache": {},
        "timings": {"send": 0, "wait": wait, "receive": max(0.0, lasted - wait)},
        "_resourceType": "websocket" if told["kind"] == "websocket" else "fetch",
    }
    if told["kind"] == "websocket":
        began = datetime.fromisoformat(told["began"]).timestamp()
        entry["_webSocketMessages"] = [
            {
                "type": "send" if each["to"] == "app" else "receive",
                "time": began + each["at_ms"] / 1000,
                "opcode": 1 if each["encoding"] == "utf-8" else 2,
                "data": each["data"] or "",
            }
            for each in messages
            if each["type"] in {"websocket.receive", "websocket.send"}
        ]
    if cause is not None:
        entry["comment"] = f"caused by {cause['method']} {_url(cause)}"
    if told["client"]:
        entry["response"]["_error"] = told["client"].partition("\n")[0]
    return entry


def _url(told: Mapping[str, Any]) -> str:
    hosts = _values(told["headers"], "host")
    return f"{told['scheme']}://{hosts[0] if hosts else told['server'][0]}{told['target']}"


def _request(told: Mapping[str, Any]) -> dict[str, Any]:
    headers = told["headers"]
    body = [each for each in told["messages"] if each["type"] == "http.request" and each["data"]]
    query = told["target"].partition("?")[2]
    request: dict[str, Any] = {
        "method": told["method"],
        "url": _url(told),
        "httpVersion": _HTTP_VERSION,
        "cookies": [pair for value in _values(headers, "cookie") for pair in _cookies(value)],
        "headers": _named(headers),
        "queryString": _named(parse_qsl(query, keep_blank_values=True)),
        "headersSize": _UNKNOWN,
        "bodySize": sum(each["size"] for each in body),
    }
    if body:
        mime_type = next(iter(_values(headers, "content-type")), "")
        request["postData"] = {"mimeType": mime_type, "text": "".join(each["data"] for each in body), "params": []}
    return request


def _response(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response; status 0 stands for none."""
    messages = told["messages"]
    accepted = any(each["type"] == "websocket.accept" for each in messages)
    status = told["status"] or (101 if accepted else 0)
    starts = [each for each in messages if each["type"].endswith((".response.start", ".accept"))]
    headers = [pair for each in starts[:1] for pair in each["headers"]]
    parts = [each for each in messages if each["type"].endswith("http.response.body") and each["data"]]
    size = sum(each["size"] for each in parts)
    mime_type = next(iter(_values(headers, "content-type")), "")
    content: dict[str, Any] = {"size": size, "mimeType": mime_type}
    if parts:
        raw = b"".join(each["data"].encode(each["encoding"]) for each in parts)
        decoded = _decoded(raw, _values(headers, "content-encoding"))
        if decoded is not None:
            content |= {"size": len(decoded), "compression": len(decoded) - size}
        content |= _as_text(raw if decoded is None else decoded, mime_type)
    known = status in set(HTTPStatus)
    return {
        "status": status,
        "statusText": HTTPStatus(status).phrase if known else "",
        "httpVersion": _HTTP_VERSION,
        "cookies": [pair for value in _values(headers, "set-cookie") for pair in _cookies(value)],
        "headers": _named(headers),
        "content": content,
        "redirectURL": next(iter(_values(headers, "location")), ""),
        "headersSize": _UNKNOWN,
        "bodySize": size,
    }


def _decoded(body: bytes, codings: list[str]) -> bytes | None:
    """Return what a browser makes of a compressed body; None if it is not compressed, or in a way unknown here.

    HAR has it so: whoever replays it sends the text, and not what it was compressed to.
    """
    coding = ",".join(codings).strip().lower()
    if coding not in {"gzip", "x-gzip", "deflate"}:
        return None
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body)  # its beginning, if that is all there is
    except zlib.error:
        return None


def _as_text(body: bytes, mime_type: str) -> dict[str, str]:
    """Return a body as HAR has it, without secrets that stand in no part of it by themselves, or were compressed."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"text": base64.b64encode(body).decode(), "encoding": "base64"}
    secrets = Secrets()
    secrets.add_body(body, mime_type.lower())
    return {"text": secrets.masked(text)}


def _values(headers: Iterable[Iterable[str]], wanted: str) -> list[str]:
    return [value for name, value in headers if name.lower() == wanted]


def _named(pairs: Iterable[Iterable[str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _cookies(value: str) -> list[dict[str, str]]:
    try:
        return [{"name": morsel.key, "value": morsel.value} for morsel in SimpleCookie(value).values()]
    except CookieError:
        return []

"""Finds secrets by the names that they go by, and masks them wherever they stand."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

MASK = "***"

#: What a header, a cookie, a parameter or a field with a secret is called, or a part of that.
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|authori[sz]ation|credential"
    r"|session|csrf|xsrf|signature|otp$|pin$",
    re.IGNORECASE,
)

#: Headers whose value is cookies.
_COOKIES = frozenset({"cookie", "set-cookie"})

#: Shorter values stand in too many places that have nothing to do with them.
_SHORTEST = 4

_MULTIPART_FIELD = re.compile(rb'name="([^"]*)"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n(.*?)\r\n--', re.DOTALL)


class Secrets:
    """The secret values that were seen so far.

    A value is known by the name that it came under, in a header, a cookie, a query, a form or JSON, and is masked in
    every text then: an error that echoes a form has it under another name.
    """

    def __init__(self) -> None:
        self._values: set[str] = set()

    @staticmethod
    def is_secret(name: str) -> bool:
        """Whether a name is that of a secret."""
        return _SECRET_NAME.search(name) is not None

    def add(self, name: str, value: Any) -> None:
        """Note a value, if its name is that of a secret."""
        if self.is_secret(name) and isinstance(value, str | int | float) and not isinstance(value, bool):
            self._add(str(value))

    def _add(self, value: str) -> None:
        if len(value) >= _SHORTEST:
            self._values.add(value)

    def add_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Note the secrets among headers, cookies included."""
        for raw_name, raw_value in headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name in _COOKIES:
                pairs = value.split(";") if name == "cookie" else value.split(";", 1)[:1]
                for pair in pairs:
                    self._add(pair.partition("=")[2].strip().strip('"'))
            elif name.endswith("authorization"):
                self._add_authorization(value)
            else:
                self.add(name, value)

    def _add_authorization(self, value: str) -> None:
        scheme, _, credentials = value.partition(" ")
        self._add(credentials.strip() or scheme)
        if scheme.lower() == "basic":
            try:
                password = base64.b64decode(credentials, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return
            self._add(password)

    def add_query(self, query: bytes) -> None:
        """Note the secrets of a query, or of a form."""
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
            self.add(name, value)

    def add_body(self, body: bytes, content_type: str) -> None:
        """Note the secrets in a body, or in its beginning."""
        if "json" in content_type:
            self._add_json(body)
        elif "x-www-form-urlencoded" in content_type:
            self.add_query(body)
        elif "multipart" in content_type:
            for name, value in _MULTIPART_FIELD.findall(body):
                self.add(name.decode("utf-8", "replace"), value.decode("utf-8", "replace"))

    def _add_json(self, body: bytes) -> None:
        try:
            todo = [json.loads(body)]
        except (ValueError, RecursionError):
            return
        while todo:
            thing = todo.pop()
            if isinstance(thing, dict):
                for name, value in thing.items():
                    self.add(name, value)
                todo += thing.values()
            elif isinstance(thing, list):
                todo += thing

    def masked(self, text: str) -> str:
        """Return a text without the secrets, whether they stand in it raw, quoted for JSON, or percent-encoded."""
        for value in sorted(self._values, key=len, reverse=True):
            raw = value.encode(errors="surrogatepass")
            for spelt in {value, json.dumps(value)[1:-1], quote(raw, safe=""), quote(raw), quote_plus(raw)}:
                text = text.replace(spelt, MASK)
        return text

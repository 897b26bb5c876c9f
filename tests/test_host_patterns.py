"""What a test writes for a host, and which hosts are meant by it."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_testkit._client.hosts import Services
from asgi_testkit._protocol.hosts import host_pattern

from .messages import hello


@pytest.mark.parametrize(
    "text, host, port, fits",
    [
        ("auth.internal", "auth.internal", 80, True),
        ("auth.internal", "auth.internal", 8080, True),
        ("Auth.Internal", "auth.internal", 80, True),
        ("auth.internal.", "auth.internal", 80, True),
        ("auth.internal", "auth.internal.example", 80, False),
        ("auth.internal", "x.auth.internal", 80, False),
        ("auth.internal:8080", "auth.internal", 8080, True),
        ("auth.internal:8080", "auth.internal", 80, False),
        ("auth.internal:8080", "auth.internal", None, False),
        ("*.internal", "auth.internal", 80, True),
        ("*.internal", "a.b.internal", 80, True),
        ("*.internal", "internal", 80, False),
        ("*.internal:1", "auth.internal", 1, True),
        ("*.internal:1", "auth.internal", 2, False),
        ("*", "anything", 80, True),
        ("127.0.0.1", "127.0.0.1", 80, True),
        ("[::1]:8000", "::1", 8000, True),
        ("localhost", "localhost", 1234, True),
    ],
)
def test_a_text_means_hosts(text: str, host: str, port: int | None, fits: bool) -> None:
    assert host_pattern(text, "allow=").fits({host}, port) is fits


@pytest.mark.parametrize(
    "text",
    [
        *("", "http://auth.internal", "auth.internal/path", "auth.internal:http", "auth.internal:", "a b", "user@host"),
        *("*internal", "a.*.internal", "**", "*.*", "::1", ".", "auth.internal:123456"),
    ],
)
def test_what_names_no_host_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"^allow=: .* names no host. Write 'auth.internal', or "):
        host_pattern(text, "allow=")


@pytest.mark.parametrize("thing", [None, 80, b"auth.internal"])
def test_what_is_no_text_is_refused(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"^hosts\(\): a host is a str such as 'auth.internal', not "):
        host_pattern(thing, "hosts()")


@pytest.mark.parametrize(
    "host, port, meant",
    [
        ("auth.internal", 8080, "auth.internal:8080"),
        ("auth.internal", 80, "auth.internal"),
        ("a.b.internal", 80, "*.b.internal"),
        ("c.internal", 80, "*.internal"),
        ("c.internal", 81, "*.internal:81"),
        ("example.org", 80, "*"),
    ],
)
def test_of_several_that_fit_the_closest_is_meant(host: str, port: int, meant: str) -> None:
    texts = ("*", "*.internal", "*.internal:81", "*.b.internal", "auth.internal", "auth.internal:8080")
    services = Services(dict.fromkeys(texts, hello), (), raise_app_exceptions=False)
    [found] = [pattern.text for pattern, way in services.transports.items() if way is services.find({host}, port)]
    assert found == meant

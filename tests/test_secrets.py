"""Secrets are masked wherever they stand, and nothing else is."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from asgi_testkit._record.secrets import Secrets


def masking(
    headers: list[tuple[bytes, bytes]] | None = None, query: bytes = b"", body: bytes = b"", kind: str = ""
) -> Secrets:
    secrets = Secrets()
    secrets.add_headers(headers or [])
    secrets.add_query(query)
    secrets.add_body(body, kind)
    return secrets


@pytest.mark.parametrize(
    "name",
    ["password", "user_password", "passwd", "api_key", "api-key", "accessToken", "client_secret", "csrftoken", "PIN"],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert masking(query=f"{name}=s3cret!".encode()).masked("it is s3cret!") == "it is ***"


@pytest.mark.parametrize("name", ["item", "passage", "compass_rose", "page", "pinned", "author"])
def test_other_names_are_none(name: str) -> None:
    assert masking(query=f"{name}=s3cret!".encode()).masked("it is s3cret!") == "it is s3cret!"


@pytest.mark.parametrize(
    "header, secret",
    [
        ((b"Authorization", b"Bearer sesame"), "sesame"),
        ((b"authorization", b"sesame"), "sesame"),
        ((b"proxy-authorization", b"Bearer sesame"), "sesame"),
        ((b"authorization", b"Basic " + base64.b64encode(b"ada:sesame")), "sesame"),
        ((b"authorization", b"Basic " + base64.b64encode(b"ada:sesame")), base64.b64encode(b"ada:sesame").decode()),
        ((b"authorization", b"Basic no-base64"), "no-base64"),
        ((b"cookie", b'theme=dark; sid="sesame"'), "sesame"),
        ((b"set-cookie", b"sid=sesame; Path=/; HttpOnly"), "sesame"),
        ((b"x-api-key", b"sesame"), "sesame"),
    ],
)
def test_headers_with_secrets_are_known(header: tuple[bytes, bytes], secret: str) -> None:
    assert masking([header]).masked(f"open {secret}") == "open ***"


def test_a_path_of_a_cookie_is_none() -> None:
    assert masking([(b"set-cookie", b"sid=sesame; Path=/shop")]).masked("/shop") == "/shop"


@pytest.mark.parametrize(
    "kind, body",
    [
        ("application/json", json.dumps([{"user": {"password": "sesame"}}, 5]).encode()),
        ("application/problem+json", b'{"token": "sesame", "other": ["x"]}'),
        ("application/x-www-form-urlencoded", b"user=ada&password=sesame"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\nsesame\r\n--x--',
        ),
    ],
)
def test_bodies_with_secrets_are_known(kind: str, body: bytes) -> None:
    assert masking(body=body, kind=kind).masked("open sesame") == "open ***"


@pytest.mark.parametrize(
    "kind, body", [("application/json", b'{"password": "sesame'), ("text/plain", b"password=sesame")]
)
def test_what_cannot_be_read_is_left_alone(kind: str, body: bytes) -> None:
    assert masking(body=body, kind=kind).masked("open sesame") == "open sesame"


@pytest.mark.parametrize("spelt", [str, json.dumps, quote, quote_plus, lambda value: quote(value, safe="")])
def test_a_secret_is_masked_however_it_is_spelt(spelt: object) -> None:
    secret = 'pass "phrase"/é+'
    secrets = masking(query=b"password=" + quote_plus(secret).encode())
    assert secret not in secrets.masked(spelt(secret))  # type: ignore[operator]
    assert "***" in secrets.masked(spelt(secret))  # type: ignore[operator]


def test_what_is_short_stands_in_too_many_places() -> None:
    assert masking(query=b"password=abc&pin=1234").masked("abc 1234") == "abc ***"


def test_a_number_can_be_a_secret_and_a_bool_cannot() -> None:
    assert masking(body=b'{"otp": 123456, "secret": true}', kind="application/json").masked("123456 True") == "*** True"

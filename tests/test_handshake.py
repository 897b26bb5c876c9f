"""The opening handshake, from either end: what a client asks, and how a server answers."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_testkit import Scope
from asgi_testkit._client.request import scope_of
from asgi_testkit._protocol.handshake import Refusal, acceptance, offer, refusal
from asgi_testkit._protocol.scope import asks_for_websocket, websocket_scope

KEY, VERSION = b"sec-websocket-key", b"sec-websocket-version"

#: The example of RFC 6455 section 1.3.
EXAMPLE_KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
EXAMPLE_TOKEN = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

GOOD = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (KEY, EXAMPLE_KEY), (VERSION, b"13")]


def asked(*headers: tuple[bytes, bytes], method: str = "GET") -> Scope:
    return {"method": method, "headers": list(headers)}


def asked_with(name: bytes, *values: bytes) -> Scope:
    """Return a good handshake, but for this header."""
    return asked(*(pair for pair in GOOD if pair[0] != name), *((name, value) for value in values))


def refused(scope: Scope) -> Refusal:
    found = refusal(scope)
    assert found is not None
    return found


# The client's end


def test_an_offer_has_what_rfc_6455_asks_for_and_nothing_else() -> None:
    headers = offer(None)
    key = headers.pop("sec-websocket-key")
    assert len(base64.b64decode(key, validate=True)) == 16
    assert headers == {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}


def test_every_offer_has_a_key_of_its_own() -> None:
    assert len({offer(None)["sec-websocket-key"] for _ in range(10)}) == 10


def one_by_one(*subprotocols: str) -> Iterator[str]:
    yield from subprotocols


@pytest.mark.parametrize(
    "subprotocols",
    [
        pytest.param(["chat", "v12.stomp"], id="list"),
        pytest.param(("chat", "v12.stomp"), id="tuple"),
        pytest.param(dict.fromkeys(["chat", "v12.stomp"]), id="dict"),
        pytest.param(one_by_one("chat", "v12.stomp"), id="generator"),
    ],
)
def test_subprotocols_are_offered_in_the_order_given(subprotocols: Any) -> None:
    assert offer(subprotocols)["sec-websocket-protocol"] == "chat, v12.stomp"


@pytest.mark.parametrize("subprotocols", [None, [], (), one_by_one()], ids=["None", "list", "tuple", "generator"])
def test_without_subprotocols_there_is_no_header_for_them(subprotocols: Any) -> None:
    assert "sec-websocket-protocol" not in offer(subprotocols)


@pytest.mark.parametrize("subprotocol", ["chat", "", "a, b"], ids=repr)
def test_one_string_in_place_of_a_list_is_refused_and_the_list_is_shown(subprotocol: str) -> None:
    with pytest.raises(TypeError) as caught:
        offer(subprotocol)
    assert f"[{subprotocol!r}], not {subprotocol!r}" in str(caught.value)


@pytest.mark.parametrize("subprotocols", [[b"chat"], ["chat", None], [5]], ids=repr)
def test_a_subprotocol_that_is_no_string_is_refused(subprotocols: Any) -> None:
    with pytest.raises(TypeError, match=r"^subprotocols is a list of strings; (b'chat'|None|5) is none$"):
        offer(subprotocols)


@pytest.mark.parametrize("subprotocol", ["graphql-transport-ws", "v12.stomp", "MQTT", "a", "!#$%&'*+-.^_`|~0"])
def test_a_subprotocol_is_a_token(subprotocol: str) -> None:
    assert offer([subprotocol])["sec-websocket-protocol"] == subprotocol


@pytest.mark.parametrize("character", [*'()<>@,;:\\"/[]?={} \t\n\r\0\x7fé\u20ac'], ids=repr)
def test_a_subprotocol_with_a_character_that_none_can_have_is_refused(character: str) -> None:
    bad = f"chat{character}"
    with pytest.raises(ValueError, match=r"RFC 6455 4\.1") as caught:
        offer(["chat", bad])
    assert repr(bad) in str(caught.value)


def test_an_empty_subprotocol_is_refused() -> None:
    with pytest.raises(ValueError, match="'' cannot be a subprotocol"):
        offer([""])


# The server's end


def test_the_example_of_rfc_6455_is_accepted_with_its_token() -> None:
    assert refusal(asked(*GOOD)) is None
    assert acceptance(asked(*GOOD)) == [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", EXAMPLE_TOKEN),
    ]


@pytest.mark.parametrize("method", ["POST", "HEAD", "CONNECT", "get"])
def test_any_method_but_get_is_refused_and_get_is_named(method: str) -> None:
    found = refused(asked(*GOOD, method=method))
    assert (found.status, found.headers) == (405, ((b"allow", b"GET"),))
    assert found.why.endswith(f"not {method}")


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([], id="none"),
        pytest.param([b""], id="empty"),
        pytest.param([b"!!!"], id="no base64"),
        pytest.param([b"!" * 24], id="no base64, of the right length"),
        pytest.param([b"dGhl IHNhbXBsZSBub25jZQ=="], id="a blank inside"),
        pytest.param([b"_-_-_-_-_-_-_-_-_-_-_w=="], id="base64 for URLs"),
        pytest.param([b"dGhlIHNhbXBsZSBub25jZQ"], id="no padding"),
        pytest.param([b"\xe9" * 24], id="latin-1"),
        pytest.param([base64.b64encode(bytes(15))], id="15 bytes"),
        pytest.param([base64.b64encode(bytes(17))], id="17 bytes"),
    ],
)
def test_a_key_that_is_not_16_bytes_in_base64_is_refused(keys: list[bytes]) -> None:
    found = refused(asked_with(KEY, *keys))
    assert (found.status, found.headers) == (400, ())
    assert "Sec-WebSocket-Key" in found.why


def test_a_key_may_come_twice_as_most_servers_let_it() -> None:
    scope = asked_with(KEY, EXAMPLE_KEY, EXAMPLE_KEY)
    assert refusal(scope) is None
    assert dict(acceptance(scope))[b"sec-websocket-accept"] == EXAMPLE_TOKEN


@pytest.mark.parametrize("versions", [[], [b""]], ids=["none", "empty"])
def test_a_handshake_without_a_version_is_refused(versions: list[bytes]) -> None:
    assert refused(asked_with(VERSION, *versions)) == Refusal(400, "Sec-WebSocket-Version is missing")


@pytest.mark.parametrize(
    "versions, seen",
    [
        pytest.param([b"8"], "8", id="8"),
        pytest.param([b"14"], "14", id="14"),
        pytest.param([b"013"], "013", id="013"),
        pytest.param([b"\xe9"], "é", id="latin-1"),
        pytest.param([b"13, 8"], "13, 8", id="two in a list"),
        pytest.param([b"13", b"8"], "13, 8", id="13, and another header"),
        pytest.param([b"8", b"13"], "8, 13", id="another header, and 13"),
        pytest.param([b"13", b"13"], "13, 13", id="13 twice"),
    ],
)
def test_another_version_is_refused_and_version_13_is_named(versions: list[bytes], seen: str) -> None:
    found = refused(asked_with(VERSION, *versions))
    assert (found.status, found.headers) == (426, ((VERSION, b"13"),))
    assert f"Sec-WebSocket-Version is {seen}," in found.why


# Both


@given(
    subprotocols=st.lists(st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=8), max_size=4),
    url=st.sampled_from(["ws://testserver", "https://testserver"]),
)
@settings(deadline=None)
def test_what_a_client_offers_a_server_understands(subprotocols: list[str], url: str) -> None:
    request = httpx.Request("GET", url, headers=offer(subprotocols))
    scope = scope_of(request, client=None, root_path="", state={}, extensions={})
    assert asks_for_websocket(scope)
    assert refusal(scope) is None
    assert dict(acceptance(scope)).keys() == {b"upgrade", b"connection", b"sec-websocket-accept"}
    assert websocket_scope(scope, extensions={})["subprotocols"] == subprotocols

"""The scope of a request: what uvicorn would build of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_from_bytes

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_testkit import Scope
from asgi_testkit._client.request import scope_of as scope_of_request
from asgi_testkit._protocol.scope import (
    HTTP_EXTENSIONS,
    HTTP_SPEC_VERSION,
    WEBSOCKET_EXTENSIONS,
    WEBSOCKET_SPEC_VERSION,
    asks_for_websocket,
    websocket_scope,
)

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def scope_of(request: httpx.Request, **changes: Any) -> Scope:
    options: dict[str, Any] = {"client": ("1.2.3.4", 5), "root_path": "", "state": {}, "extensions": {}}
    return scope_of_request(request, **(options | changes))


def get(url: str = "http://testserver/", **options: Any) -> httpx.Request:
    return httpx.Request("GET", url, **options)


def aim(target: bytes) -> httpx.Request:
    return get("http://testserver/elsewhere?x", extensions={"target": target})


def handshake(url: str = "ws://testserver/", *headers: tuple[str, str], **options: Any) -> Scope:
    """Return the WebSocket scope of a handshake."""
    upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
    return websocket_scope(scope_of(get(url, headers=[*upgrade, *headers]), **options), extensions=WEBSOCKET_EXTENSIONS)


def test_the_scope_is_the_one_that_uvicorn_builds() -> None:
    request = httpx.Request("POST", "https://example.org/a%20b?c=%20d", headers={"X-Name": "Value"}, content=b"body")
    scope = scope_of(request, root_path="/mount", state={"db": 1}, extensions=HTTP_EXTENSIONS)
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("example.org", 443),
        "client": ("1.2.3.4", 5),
        "scheme": "https",
        "method": "POST",
        "root_path": "/mount",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=%20d",
        "headers": [(b"host", b"example.org"), (b"x-name", b"Value"), (b"content-length", b"4")],
        "state": {"db": 1},
        "extensions": {"http.response.debug": {}},
    }


def test_the_containers_have_the_types_that_servers_use() -> None:
    scope = scope_of(get(headers={"x-a": "1"}), extensions=HTTP_EXTENSIONS)
    types = {key: type(value) for key, value in scope.items()}
    assert types == {
        **dict.fromkeys(["type", "http_version", "scheme", "method", "root_path", "path"], str),
        **dict.fromkeys(["raw_path", "query_string"], bytes),
        **dict.fromkeys(["asgi", "state", "extensions"], dict),
        **dict.fromkeys(["server", "client"], tuple),
        "headers": list,
    }
    assert type(scope) is dict
    assert all(type(pair) is tuple for pair in scope["headers"])
    assert all(type(octets) is bytes for pair in scope["headers"] for octets in pair)


def test_the_spec_version_is_one_in_which_send_is_silent_after_a_disconnect() -> None:
    assert scope_of(get())["asgi"]["spec_version"] == HTTP_SPEC_VERSION < "2.4"


# Server, client, method


@pytest.mark.parametrize(
    "url, server",
    [
        ("http://testserver:0/", ("testserver", 0)),
        ("http://testserver/", ("testserver", 80)),
        ("http://testserver:80/", ("testserver", 80)),
        ("https://testserver/", ("testserver", 443)),
        ("https://testserver:80/", ("testserver", 80)),
        ("http://testserver:8000/", ("testserver", 8000)),
        ("http://127.0.0.1/", ("127.0.0.1", 80)),
        ("http://[::1]/", ("::1", 80)),
        ("http://[2001:db8::1]:8000/", ("2001:db8::1", 8000)),
        ("unknown://testserver/", ("testserver", None)),
    ],
)
def test_the_server_is_the_host_and_the_port_of_the_url(url: str, server: tuple[str, int | None]) -> None:
    scope = scope_of(get(url))
    assert scope["server"] == server
    assert scope["scheme"] == url.partition(":")[0]


@pytest.mark.parametrize("client", [None, ("testclient", 50000)])
def test_the_client_may_be_unknown(client: tuple[str, int] | None) -> None:
    assert scope_of(get(), client=client)["client"] == client


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "PROPFIND", "FOO"])
def test_the_method_may_be_any(method: str) -> None:
    assert scope_of(httpx.Request(method, "http://testserver"))["method"] == method


def test_the_root_path_leaves_the_path_alone() -> None:
    scope = scope_of(get("http://testserver/a"), root_path="/mount")
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/mount", "/a", b"/a")


# The target


@pytest.mark.parametrize(
    "url, path, raw_path, query",
    [
        ("http://testserver", "/", b"/", b""),
        ("http://testserver?a", "/", b"/", b"a"),
        ("http://testserver/a#fragment", "/a", b"/a", b""),
        ("http://testserver/a?b#fragment", "/a", b"/a", b"b"),
        ("http://testserver/é?é=ö", "/é", b"/%C3%A9", b"%C3%A9=%C3%B6"),
        ("http://testserver/a b", "/a b", b"/a%20b", b""),
        ("http://testserver//a//", "//a//", b"//a//", b""),
    ],
)
def test_the_target_is_that_of_the_url(url: str, path: str, raw_path: bytes, query: bytes) -> None:
    scope = scope_of(get(url))
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


@pytest.mark.parametrize(
    "raw_path, path",
    [
        (b"/", "/"),
        (b"*", "*"),
        (b"p", "p"),
        (b"http://other:81/a%20b", "http://other:81/a b"),
        # nothing is normalised
        (b"//evil//a/", "//evil//a/"),
        (b"/a/../b/./c", "/a/../b/./c"),
        (b"/a/%2e%2e/b", "/a/../b"),
        (b"/a;x=1;y", "/a;x=1;y"),
        (b"/a+b", "/a+b"),
        (b"/:80/@x", "/:80/@x"),
        (b'/[x]{y}|z\\w^`"<>~', '/[x]{y}|z\\w^`"<>~'),
        # decoded, once
        (b"/%C3%A9", "/é"),
        (b"/%FF", f"/{REPLACEMENT}"),
        (b"/a%E2%82", f"/a{REPLACEMENT}"),
        (b"/%2F", "//"),
        (b"/a%2fb", "/a/b"),
        (b"/%2541", "/%41"),
        (b"/%00%0A", "/\0\n"),
        (b"/%3Fx%23y", "/?x#y"),
        (b"/%zz", "/%zz"),
        (b"/%4", "/%4"),
        (b"/%", "/%"),
        (b"/a#b", "/a#b"),
    ],
)
def test_the_path_is_decoded_once_and_the_raw_path_is_left_alone(raw_path: bytes, path: str) -> None:
    scope = scope_of(aim(raw_path))
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, b"")


@pytest.mark.parametrize(
    "target, raw_path, query",
    [
        (b"/p?", b"/p", b""),
        (b"/p??", b"/p", b"?"),
        (b"/p?a?b", b"/p", b"a?b"),
        (b"?q", b"", b"q"),
        (b"/p?a=%zz&b=%FF+c&[]{}|", b"/p", b"a=%zz&b=%FF+c&[]{}|"),
        (b"http://other/p?q", b"http://other/p", b"q"),
    ],
)
def test_the_query_begins_at_the_first_question_mark_and_is_not_decoded(
    target: bytes, raw_path: bytes, query: bytes
) -> None:
    scope = scope_of(aim(target))
    assert (scope["raw_path"], scope["query_string"]) == (raw_path, query)


@pytest.mark.parametrize(
    "target",
    [b"/\xc3\xa9", b"/p?\xc3\xa9", b"/a b", b"/p?a b", b"/\n", b"/ HTTP/1.1\r\nx: y", b"/\0", b"/\x1f", b"/\x7f"],
    ids=repr,
)
def test_a_target_that_no_client_could_send_is_refused(target: bytes) -> None:
    request = aim(target)
    with pytest.raises(httpx.LocalProtocolError) as caught:
        scope_of(request)
    assert repr(target) in str(caught.value)
    assert repr(request) in str(caught.value)
    assert caught.value.request is request


@given(st.binary(max_size=20))
@settings(deadline=None)
def test_any_path_arrives_as_it_was_quoted(octets: bytes) -> None:
    raw_path = b"/" + quote_from_bytes(octets).encode()
    scope = scope_of(aim(raw_path))
    assert scope["path"] == "/" + octets.decode("utf-8", "replace")
    assert scope["raw_path"] == raw_path
    assert scope["query_string"] == b""


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.text(max_size=20))
@settings(deadline=None)
def test_any_text_arrives_through_the_url_as_it_was(segment: str, value: str) -> None:
    url = httpx.URL("http://testserver").join("/x" + quote_from_bytes(segment.encode(), safe=""))
    scope = scope_of(httpx.Request("GET", url, params={"q": value}))
    assert scope["path"] == "/x" + segment
    assert httpx.QueryParams(scope["query_string"].decode("ascii"))["q"] == value


# Headers


def test_header_names_are_lower_cased_and_order_and_duplicates_are_kept() -> None:
    headers = [("Host", "h"), ("X-B", "2"), ("X-A", "1"), ("x-b", "3"), ("Accept", "A/B")]
    assert scope_of(get(headers=headers))["headers"] == [
        (b"host", b"h"),
        (b"x-b", b"2"),
        (b"x-a", b"1"),
        (b"x-b", b"3"),
        (b"accept", b"A/B"),
    ]


@pytest.mark.parametrize(
    "value, seen",
    [
        (b"", b""),
        (b" padded ", b"padded"),
        (b"\t tab \t", b"tab"),
        (b"in\tside", b"in\tside"),
        (b"\xe9\xff", b"\xe9\xff"),
        (b"\x01", b"\x01"),
    ],
)
def test_header_values_are_stripped_of_blanks_and_else_left_alone(value: bytes, seen: bytes) -> None:
    assert (b"x-v", seen) in scope_of(get(headers=[(b"X-V", value)]))["headers"]


def test_no_headers_are_made_up() -> None:
    request = get()
    request.headers.clear()
    assert scope_of(request)["headers"] == []


@pytest.mark.parametrize("bad", [b"a\nb", b"a\rb", b"a\r\nb: c", b"a\0b", b"a\n", b"\r"], ids=repr)
@pytest.mark.parametrize("where", ["name", "value"])
def test_a_header_that_no_client_could_send_is_refused(bad: bytes, where: str) -> None:
    request = get(headers=[(b"x-a", b"1"), (bad, b"1") if where == "name" else (b"x-v", bad)])
    for _ in range(2):
        with pytest.raises(httpx.LocalProtocolError) as caught:
            scope_of(request)
        assert repr(bad) in str(caught.value)
        assert repr(request) in str(caught.value)
        assert caught.value.request is request


# State and extensions


def test_the_state_is_a_shallow_copy() -> None:
    state = {"list": [1], "number": 1}
    seen = scope_of(get(), state=state)["state"]
    seen["number"] = 2
    seen["new"] = 3
    seen["list"].append(2)
    assert state == {"list": [1, 2], "number": 1}


def test_the_extensions_are_copied() -> None:
    extensions: dict[str, dict[str, object]] = {"tls": {"tls_version": 0x0304}, "mine": {}}
    seen = scope_of(get(), extensions=extensions)["extensions"]
    assert seen == extensions
    seen["tls"]["tls_version"] = None
    del seen["mine"]
    assert extensions == {"tls": {"tls_version": 0x0304}, "mine": {}}


def test_no_scope_shares_anything_with_the_next() -> None:
    first = scope_of(get(), extensions=HTTP_EXTENSIONS)
    first["asgi"]["version"] = "changed"
    first["extensions"]["http.response.debug"]["changed"] = True
    first["headers"].clear()
    second = scope_of(get(), extensions=HTTP_EXTENSIONS)
    assert second["asgi"]["version"] == "3.0"
    assert second["extensions"] == {"http.response.debug": {}}
    assert second["headers"] == [(b"host", b"testserver")]


def test_only_what_is_made_for_test_clients_is_offered_by_default() -> None:
    assert HTTP_EXTENSIONS == {"http.response.debug": {}}


# What asks for a WebSocket connection


@pytest.mark.parametrize(
    "connections",
    [
        pytest.param(["Upgrade"], id="alone"),
        pytest.param(["upgrade"], id="lower case"),
        pytest.param(["UPGRADE"], id="upper case"),
        pytest.param(["keep-alive, Upgrade"], id="in a list"),
        pytest.param(["Upgrade,keep-alive"], id="in a list without blanks"),
        pytest.param([" , keep-alive\t,, Upgrade ,"], id="in a list with gaps"),
        pytest.param(["keep-alive", "Upgrade"], id="in the second header"),
        pytest.param(["Upgrade", "keep-alive"], id="in the first header"),
    ],
)
@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket", "WEBSOCKET", " websocket\t"])
def test_a_handshake_is_an_upgrade_to_websocket(connections: list[str], upgrade: str) -> None:
    headers = [*(("Connection", value) for value in connections), ("X-Other", "1"), ("Upgrade", upgrade)]
    assert asks_for_websocket(scope_of(get(headers=headers)))
    assert asks_for_websocket(scope_of(get(headers=headers[::-1])))


@pytest.mark.parametrize(
    "upgrade", ["h2c", "foo/2", "websocket, h2c", "h2c, websocket", "websockets", "web socket", ""]
)
def test_an_upgrade_to_something_else_is_an_ordinary_request(upgrade: str) -> None:
    assert not asks_for_websocket(scope_of(get(headers={"connection": "Upgrade", "upgrade": upgrade})))


@pytest.mark.parametrize(
    "connections",
    [[], [""], ["keep-alive"], ["close"], ["upgraded"], ["up", "grade"], ["keep-alive Upgrade"]],
    ids=repr,
)
def test_an_upgrade_that_the_connection_header_does_not_name_is_an_ordinary_request(connections: list[str]) -> None:
    headers = [*(("Connection", value) for value in connections), ("Upgrade", "websocket")]
    assert not asks_for_websocket(scope_of(get(headers=headers)))


@pytest.mark.parametrize("headers", [{}, {"connection": "Upgrade"}, {"sec-websocket-version": "13"}], ids=repr)
def test_without_an_upgrade_header_a_request_is_an_ordinary_one(headers: dict[str, str]) -> None:
    assert not asks_for_websocket(scope_of(get("ws://testserver/", headers=headers)))


# The scope of a WebSocket connection


def test_the_scope_of_a_handshake_is_the_one_that_uvicorn_builds() -> None:
    protocols = ("Sec-WebSocket-Protocol", "chat, v2.chat")
    scope = handshake("wss://example.org/a%20b?c=%20d", protocols, root_path="/mount", state={"db": 1})
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "server": ("example.org", 443),
        "client": ("1.2.3.4", 5),
        "scheme": "wss",
        "root_path": "/mount",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=%20d",
        "headers": [
            (b"host", b"example.org"),
            (b"connection", b"Upgrade"),
            (b"upgrade", b"websocket"),
            (b"sec-websocket-protocol", b"chat, v2.chat"),
        ],
        "subprotocols": ["chat", "v2.chat"],
        "state": {"db": 1},
        "extensions": {"websocket.http.response": {}},
    }
    assert type(scope) is dict
    assert type(scope["subprotocols"]) is list


def test_the_spec_version_is_one_in_which_send_raises_after_a_disconnect() -> None:
    assert handshake()["asgi"]["spec_version"] == WEBSOCKET_SPEC_VERSION >= "2.4"


@pytest.mark.parametrize(
    "url, scheme, server",
    [
        ("ws://testserver/", "ws", ("testserver", 80)),
        ("wss://testserver/", "wss", ("testserver", 443)),
        ("http://testserver/", "ws", ("testserver", 80)),
        ("https://testserver/", "wss", ("testserver", 443)),
        ("ws://testserver:80/", "ws", ("testserver", 80)),
        ("ws://testserver:443/", "ws", ("testserver", 443)),
        ("wss://testserver:8443/", "wss", ("testserver", 8443)),
        ("ws://[::1]/", "ws", ("::1", 80)),
        ("unknown://testserver/", "unknown", ("testserver", None)),
    ],
)
def test_the_scheme_is_that_of_websockets_and_so_is_the_port(
    url: str, scheme: str, server: tuple[str, int | None]
) -> None:
    scope = handshake(url)
    assert (scope["scheme"], scope["server"]) == (scheme, server)


@pytest.mark.parametrize(
    "values, subprotocols",
    [
        pytest.param([], [], id="none"),
        pytest.param([""], [], id="empty header"),
        pytest.param(["chat"], ["chat"], id="one"),
        pytest.param(["b, a,C"], ["b", "a", "C"], id="a list"),
        pytest.param(["b", "a, c"], ["b", "a", "c"], id="several headers"),
        pytest.param([" , chat\t,, v2 ,"], ["chat", "v2"], id="a list with gaps"),
    ],
)
def test_subprotocols_are_listed_in_the_order_of_the_headers(values: list[str], subprotocols: list[str]) -> None:
    scope = handshake("ws://testserver/", *(("Sec-WebSocket-Protocol", value) for value in values))
    assert scope["subprotocols"] == subprotocols


def test_the_scope_of_the_request_is_left_as_it_is() -> None:
    request = get(headers={"connection": "Upgrade", "upgrade": "websocket"})
    before = scope_of(request, extensions=HTTP_EXTENSIONS)
    scope = websocket_scope(before, extensions={})
    assert before == scope_of(request, extensions=HTTP_EXTENSIONS)
    assert scope["extensions"] == {}


def test_the_state_of_a_handshake_is_a_shallow_copy_of_the_lifespans() -> None:
    state = {"list": [1], "number": 1}
    seen = handshake(state=state)["state"]
    seen["number"] = 2
    seen["list"].append(2)
    assert state == {"list": [1, 2], "number": 1}


def test_no_handshake_shares_anything_with_the_next() -> None:
    first = handshake()
    first["asgi"]["version"] = "changed"
    first["extensions"]["websocket.http.response"]["changed"] = True
    first["extensions"]["mine"] = {}
    first["subprotocols"].append("mine")
    second = handshake()
    assert second["asgi"]["version"] == "3.0"
    assert second["extensions"] == WEBSOCKET_EXTENSIONS == {"websocket.http.response": {}}
    assert second["subprotocols"] == []

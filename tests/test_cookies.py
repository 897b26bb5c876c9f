"""Cookies of hosts with and without a dot, kept and sent by both clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.cookiejar import CookieJar
from typing import Any

import httpx
import pytest

from asgi_testkit import Receive, Scope, Send
from asgi_testkit._client.cookies import CookieTypes, DotlessHostJar, jar_for_any_host

from .backends import BACKENDS
from .faces import AwaitedFace, BlockingFace, Face


@pytest.fixture(params=[AwaitedFace(BACKENDS[0]), BlockingFace(BACKENDS[0])], ids=str)
def face(request: pytest.FixtureRequest) -> Face:
    """Cookies know nothing of loops: one backend is enough."""
    made: Face = request.param
    return made


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the cookies of the request; set those that it asks for."""
    headers = dict(scope["headers"])
    wanted = [(b"set-cookie", headers[b"x-set"])] if b"x-set" in headers else []
    await send({"type": "http.response.start", "status": 200, "headers": wanted})
    await send({"type": "http.response.body", "body": headers.get(b"cookie", b"")})


class Browser:
    """A client of `app`."""

    def __init__(self, client: Any) -> None:
        self.client: httpx.Client | httpx.AsyncClient = client.client
        self._get = client.get

    def receive(self, cookie: str, url: str = "/") -> None:
        """Get a response that sets this cookie."""
        self._get(url, headers={"x-set": cookie})

    def sent(self, url: str = "/", **options: Any) -> set[str]:
        """Return the cookies that go to the URL."""
        text: str = self._get(url, **options).text
        return set(text.split("; ")) - {""}


@contextmanager
def open_browser(face: Face, base_url: str = "http://testserver", **options: Any) -> Iterator[Browser]:
    with face.bare(app, base_url=base_url, **options) as client:
        yield Browser(client)


# What the app sets


@pytest.mark.parametrize(
    "base_url, cookie",
    [
        ("http://testserver", "a=1"),
        ("http://testserver", "a=1; Domain=testserver"),
        ("http://testserver", "a=1; Domain=.testserver"),
        ("http://testserver", "a=1; Domain=TestServer"),
        ("http://TestServer", "a=1; Domain=testserver"),
        ("http://testserver:8000", "a=1; Domain=testserver"),
        ("http://localhost", "a=1; Domain=localhost"),
        ("http://localhost:8000", "a=1"),
        ("http://testserver", "a=1; Domain=; Path=/"),
        ("http://testserver:8000", "a=1; Domain=."),
        ("http://test.example", "a=1; Domain="),
        ("http://127.0.0.1:8000", "a=1; Domain="),
        ("http://127.0.0.1", "a=1"),
        ("http://127.0.0.1:8000", "a=1; Domain=127.0.0.1"),
        ("http://[::1]", "a=1"),
        ("http://[::1]:8000", "a=1"),
        ("http://example.org", "a=1; Domain=example.org"),
        ("http://www.example.org", "a=1; Domain=example.org"),
        ("http://www.example.org:8000", "a=1; Domain=.example.org"),
    ],
)
def test_a_cookie_comes_back_to_the_host_that_set_it(face: Face, base_url: str, cookie: str) -> None:
    with open_browser(face, base_url) as browser:
        browser.receive(cookie)
        assert browser.sent() == {"a=1"}


@pytest.mark.parametrize(
    "base_url, cookie, elsewhere",
    [
        ("http://testserver", "a=1; Domain=other", "http://other/"),
        ("http://testserver", "a=1; Domain=a.testserver", "http://a.testserver/"),
        ("http://testserver", "a=1; Domain=server", "http://server/"),
        ("http://testserver", "a=1; Domain=example.org", "http://example.org/"),
        ("http://testserver", "a=1; Domain=local", "http://local/"),
        ("http://a.testserver", "a=1; Domain=testserver", "http://testserver/"),
        ("http://www.example.org", "a=1; Domain=org", "http://example.org/"),
        ("http://www.example.org", "a=1; Domain=other.org", "http://other.org/"),
        ("http://www.example.org", "a=1; Domain=a.www.example.org", "http://a.www.example.org/"),
        ("http://127.0.0.1", "a=1; Domain=127.0.0.2", "http://127.0.0.2/"),
    ],
)
def test_a_cookie_for_another_host_is_refused(face: Face, base_url: str, cookie: str, elsewhere: str) -> None:
    with open_browser(face, base_url) as browser:
        browser.receive(cookie)
        assert browser.sent() == browser.sent(elsewhere) == set()
        assert list(browser.client.cookies.jar) == []


@pytest.mark.parametrize("cookie", ["a=1", "a=1; Domain=testserver"])
@pytest.mark.parametrize(
    "other", ["http://a.testserver/", "http://other/", "http://testserver.org/", "http://xtestserver/"]
)
def test_a_cookie_of_a_host_without_a_dot_goes_to_no_other_host(face: Face, cookie: str, other: str) -> None:
    with open_browser(face) as browser:
        browser.receive(cookie)
        assert browser.sent(other) == set()


@pytest.mark.parametrize("base_url", ["http://example.org", "http://www.example.org"])
def test_a_cookie_of_a_real_domain_goes_to_its_subdomains(face: Face, base_url: str) -> None:
    with open_browser(face, base_url) as browser:
        browser.receive("a=1; Domain=example.org")
        assert browser.sent() == browser.sent("http://example.org/") == browser.sent("http://a.example.org/") == {"a=1"}
        assert browser.sent("http://notexample.org/") == set()


@pytest.mark.parametrize("port", [":80", ":8000"])
def test_cookies_do_not_tell_ports_apart(face: Face, port: str) -> None:
    with open_browser(face) as browser:
        browser.receive("a=1; Domain=testserver")
        assert browser.sent(f"http://testserver{port}/") == {"a=1"}


@pytest.mark.parametrize("cookie", ["a=1; Secure", "a=1; Secure; Domain=testserver"])
def test_a_secure_cookie_goes_to_https_alone(face: Face, cookie: str) -> None:
    with open_browser(face, "https://testserver") as browser:
        browser.receive(cookie)
        assert browser.sent() == {"a=1"}
        assert browser.sent("http://testserver/") == set()


@pytest.mark.parametrize("domain", ["", "; Domain=testserver"])
@pytest.mark.parametrize(
    "url, path, reached, missed",
    [
        pytest.param("/", "; Path=/", ["/", "/a", "/a/b"], [], id="root"),
        pytest.param("/", "; Path=/a", ["/a", "/a/", "/a/b", "/a?q"], ["/", "/ab", "/b/a"], id="path"),
        pytest.param("/a/b", "", ["/a/", "/a/c", "/a/b/c"], ["/", "/ab"], id="folder of the URL"),
    ],
)
def test_a_cookie_goes_where_its_path_says(
    face: Face, domain: str, url: str, path: str, reached: list[str], missed: list[str]
) -> None:
    with open_browser(face) as browser:
        browser.receive(f"a=1{path}{domain}", url)
        assert [browser.sent(url) for url in reached] == [{"a=1"}] * len(reached)
        assert [browser.sent(url) for url in missed] == [set()] * len(missed)


def test_a_cookie_replaces_its_like_with_and_without_a_domain(face: Face) -> None:
    with open_browser(face) as browser:
        browser.receive("a=1")
        browser.receive("a=2; Domain=testserver")
        assert browser.sent() == {"a=2"}
        browser.receive("a=3")
        assert browser.sent() == {"a=3"}


@pytest.mark.parametrize("domain", ["", "; Domain=testserver", "; Domain="])
def test_a_cookie_is_deleted_by_one_that_has_expired(face: Face, domain: str) -> None:
    with open_browser(face) as browser:
        browser.receive("a=1; Domain=testserver")
        browser.receive(f"a=; Max-Age=0{domain}")
        assert browser.sent() == set()


def test_a_cookie_of_a_real_domain_is_deleted_by_one_that_has_expired(face: Face) -> None:
    with open_browser(face, "http://www.example.org") as browser:
        browser.receive("a=1; Domain=example.org")
        browser.receive("a=; Max-Age=0; Domain=example.org")
        assert browser.sent() == set()


# What the test gives


def cookies_of(domain: str) -> httpx.Cookies:
    cookies = httpx.Cookies()
    cookies.set("a", "1", domain=domain)
    return cookies


GIVEN: list[Any] = [
    pytest.param({"a": "1"}, id="dict"),
    pytest.param([("a", "1")], id="pairs"),
    pytest.param(httpx.Cookies({"a": "1"}), id="cookies"),
]
GIVEN_WITH_DOMAIN: list[Any] = [
    *GIVEN,
    pytest.param(cookies_of("testserver"), id="cookies of testserver"),
    pytest.param(cookies_of(".testserver"), id="cookies of testserver, with a dot in front"),
]


@pytest.mark.parametrize("cookies", GIVEN_WITH_DOMAIN)
def test_cookies_that_the_client_is_made_with_are_sent(face: Face, cookies: CookieTypes) -> None:
    with open_browser(face, cookies=cookies) as browser:
        assert browser.sent() == browser.sent() == {"a=1"}


@pytest.mark.parametrize("cookies", GIVEN_WITH_DOMAIN)
def test_cookies_that_are_assigned_take_the_place_of_the_others(face: Face, cookies: CookieTypes) -> None:
    with open_browser(face, cookies={"b": "2"}) as browser:
        browser.client.cookies = cookies  # type: ignore[assignment]  # a mapping of either library
        assert browser.sent() == {"a=1"}


def test_no_cookies_can_be_assigned(face: Face) -> None:
    with open_browser(face, cookies={"b": "2"}) as browser:
        browser.client.cookies = None  # type: ignore[assignment]  # as httpx's own setter takes it
        assert browser.sent() == set()


def test_hosts_without_a_dot_still_work_after_cookies_were_assigned(face: Face) -> None:
    with open_browser(face) as browser:
        browser.client.cookies = {"b": "2"}
        browser.receive("a=1; Domain=testserver")
        assert browser.sent() == {"a=1", "b=2"}


@pytest.mark.parametrize("domain", ["testserver", ".testserver"])
def test_a_cookie_that_is_set_for_testserver_goes_to_testserver_alone(face: Face, domain: str) -> None:
    with open_browser(face) as browser:
        browser.client.cookies.set("a", "1", domain=domain)
        assert browser.sent() == {"a=1"}
        assert browser.sent("http://other/") == set()


@pytest.mark.parametrize("domain", ["testserver", ".testserver"])
def test_the_test_deletes_a_cookie_by_the_domain_that_the_app_named(face: Face, domain: str) -> None:
    with open_browser(face) as browser:
        browser.receive("a=1; Domain=testserver")
        browser.receive("b=2; Domain=testserver")
        browser.client.cookies.delete("a", domain=domain, path="/")
        assert browser.sent() == {"b=2"}
        browser.client.cookies.clear(domain=domain)
        assert browser.sent() == set()


def test_all_cookies_are_cleared(face: Face) -> None:
    with open_browser(face) as browser:
        browser.receive("a=1; Domain=testserver")
        browser.client.cookies.clear()
        assert browser.sent() == set()


def test_a_jar_is_kept_as_it_is(face: Face) -> None:
    jar = CookieJar()
    with open_browser(face, cookies=jar) as browser:
        assert browser.client.cookies.jar is jar
        browser.receive("a=1")
        assert [cookie.name for cookie in jar] == ["a"]
        other = CookieJar()
        browser.client.cookies = other
        assert browser.client.cookies.jar is other


@pytest.mark.parametrize("cookies", GIVEN)
def test_cookies_of_one_request_go_with_it_alone(face: Face, cookies: CookieTypes) -> None:
    with open_browser(face) as browser:  # httpx would warn, which is an error here
        browser.receive("b=2; Domain=testserver")
        assert browser.sent(cookies=cookies) == {"a=1", "b=2"}
        assert browser.sent() == {"b=2"}


def test_each_method_takes_cookies_of_one_request(face: Face) -> None:
    with face.bare(app) as client:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            assert client.request(method, "/", cookies={"a": "1"}).text == "a=1"
        stream: AbstractContextManager[Any] = client.stream("GET", "/", cookies={"a": "1"})
        with stream as response:
            assert response.read() == b"a=1"
        assert client.get("/").text == ""


# The jar


def test_cookies_that_are_given_are_copied() -> None:
    cookies = cookies_of("testserver")
    jar_for_any_host(cookies)
    assert cookies.get("a", domain="testserver") == "1"


@pytest.mark.parametrize("cookies", [None, {}, [], httpx.Cookies()], ids=["None", "dict", "list", "cookies"])
def test_no_cookies_are_an_empty_jar(cookies: CookieTypes | None) -> None:
    jar = jar_for_any_host(cookies)
    assert isinstance(jar, DotlessHostJar)
    assert len(jar) == 0


def test_an_empty_jar_is_a_jar_all_the_same() -> None:
    jar = CookieJar()
    assert jar_for_any_host(jar) is jar


# What it costs


def test_a_response_that_sets_no_cookie_is_not_searched_for_one(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    search = DotlessHostJar.extract_cookies

    def counted(jar: DotlessHostJar, response: Any, request: Any) -> None:
        searched.append(request.full_url)
        search(jar, response, request)

    monkeypatch.setattr(DotlessHostJar, "extract_cookies", counted)
    with open_browser(face) as browser:
        assert browser.sent("/first") == set()
        browser.receive("a=1", "/second")
        assert browser.sent("/third") == {"a=1"}
        assert browser.client.cookies is browser.client.cookies
        browser.client.cookies = {"b": "2"}
        browser.receive("c=3", "/fourth")
        assert browser.sent("/fifth") == {"b=2", "c=3"}
    assert searched == ["http://testserver/second", "http://testserver/fourth"]


def test_a_jar_of_the_test_s_own_sees_every_response(face: Face) -> None:
    class Jar(CookieJar):
        seen = 0

        def extract_cookies(self, response: Any, request: Any) -> None:
            self.seen += 1
            super().extract_cookies(response, request)

    jar = Jar()
    with open_browser(face, cookies=jar) as browser:
        assert browser.client.cookies.jar is jar
        assert browser.sent() == set()
        browser.receive("a=1")
    nothing_set = httpx.Response(200, request=httpx.Request("GET", "http://testserver/"))
    probe = Jar()
    httpx.Cookies(probe).extract_cookies(nothing_set)  # httpx2 looks for set-cookie first
    assert jar.seen == 1 + probe.seen

"""A cookie jar for hosts without a dot, such as testserver."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import copy
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any, Generic, TypeAlias, cast
from urllib.request import Request as URLRequest

import httpx

from .library import HTTPX, Cookies, OfLibrary, Request, derived

#: What httpx takes for ``cookies=``: its own ``Cookies`` are a mapping, too.
CookieTypes: TypeAlias = Mapping[str, str] | CookieJar | list[tuple[str, str]]

#: The standard library appends this to hosts without a dot, and finds their cookies by it.
_LOCAL = ".local"

_PORT = re.compile(r":\d+$")

_SETS_COOKIES = frozenset({b"set-cookie", b"set-cookie2"})


class DotlessHostPolicy(DefaultCookiePolicy):
    """Lets a host without a dot set cookies for itself, by ``Domain=testserver``, as browsers do (RFC 6265 5.3)."""

    def set_ok_domain(self, cookie: Cookie, request: URLRequest) -> bool:
        """Whether the response may set a cookie of this domain."""
        domain = cookie.domain.lstrip(".")
        itself = domain in {_host_of(request), ""}
        if cookie.domain_specified and (itself or "." not in domain):  # the library would take "local" for all
            return itself
        return super().set_ok_domain(cookie, request)


class DotlessHostJar(CookieJar):
    """Keeps a cookie with ``Domain=testserver`` so that it is sent to testserver again.

    The standard library keeps it under ".testserver", but looks for it under "testserver.local". One with ``Domain=``
    is the host's (RFC 6265 section 5.2.3); there, it would be kept under ".".
    """

    _host = ""  # what the response is from

    def __init__(self) -> None:
        super().__init__(policy=DotlessHostPolicy())

    def make_cookies(self, response: Any, request: URLRequest) -> Sequence[Cookie]:
        """Return the cookies that a response sets."""
        self._host = _host_of(request)
        return super().make_cookies(response, request)

    def set_cookie(self, cookie: Cookie) -> None:
        """Keep a cookie."""
        kept_under = self._kept_under(cookie.domain)
        if cookie.domain_specified and kept_under != cookie.domain:
            cookie = copy(cookie)  # it may be in a jar of the test's as well
            cookie.domain = kept_under
            cookie.domain_specified = cookie.domain_initial_dot = False
        super().set_cookie(cookie)

    def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
        """Forget cookies; the response that lets one with ``Domain=testserver`` expire does it, too."""
        super().clear(self._kept_under(domain) if domain else domain, path, name)

    def _kept_under(self, domain: str) -> str:
        if domain == ".":
            domain = self._host
        host = domain.lstrip(".")
        return domain if "." in host or not host else host + _LOCAL


def _host_of(request: URLRequest) -> str:
    return _PORT.sub("", request.host)


def jar_for_any_host(cookies: CookieTypes | None) -> CookieJar:
    """Return `cookies`, whatever httpx takes for them, in a jar for hosts without a dot. A jar is kept as it is."""
    if isinstance(cookies, CookieJar):
        return cookies
    jar = DotlessHostJar()
    given: Any = getattr(cookies, "jar", cookies)  # of httpx2's cookies, httpx's know only the jar
    HTTPX.Cookies(jar).update(dict(given) if isinstance(given, Mapping) else given)
    return jar


class LazyCookies(OfLibrary):
    """The library's ``Cookies``, which skip a response that sets no cookie: httpx takes long to find none.

    There are ``Cookies`` of the library to derive them from.
    """

    jar: CookieJar

    def extract_cookies(self, response: httpx.Response) -> None:
        """Keep what the response sets."""
        # The library decodes all of the headers before it says whether one is there.
        if not _SETS_COOKIES.isdisjoint([name.lower() for name, _ in response.headers.raw]):
            self._library_s.extract_cookies(response)


class CookiesForAnyHost(OfLibrary, Generic[Request, Cookies]):
    """Gives a client a `DotlessHostJar`, also when its cookies are replaced."""

    _cookies_of_our_jar: Any = None

    def build_request(self, method: str, url: Any, **options: Any) -> Request:
        """Build a request; its own cookies, too, may have a domain without a dot."""
        if options.get("cookies"):
            options["cookies"] = jar_for_any_host(options["cookies"])
        return cast("Request", self._library_s.build_request(method, url, **options))

    @property
    def cookies(self) -> Cookies:
        """The cookies that the client keeps, and sends."""
        cookies = self._library.Client.cookies.fget(self)  # type: ignore[attr-defined]
        ours: Any = self._cookies_of_our_jar
        if ours is None or ours.jar is not cookies.jar:
            if type(cookies.jar) is not DotlessHostJar:
                return cast("Cookies", cookies)  # a jar of the test's own may want to see every response
            kind: Any = derived(LazyCookies, self._library, "Cookies")
            self._cookies_of_our_jar = ours = kind(cookies.jar)
        return ours  # type: ignore[no-any-return]

    @cookies.setter
    def cookies(self, cookies: CookieTypes | None) -> None:
        self._library.Client.cookies.fset(self, jar_for_any_host(cookies))  # type: ignore[attr-defined]

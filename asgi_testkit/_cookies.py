"""A cookie jar for hosts without a dot, such as testserver."""

from __future__ import annotations

from copy import copy
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any, TypeAlias
from urllib.request import Request

import httpx

#: What httpx takes for ``cookies=``.
CookieTypes: TypeAlias = httpx.Cookies | CookieJar | dict[str, str] | list[tuple[str, str]]

#: The standard library appends this to hosts without a dot, and finds their cookies by it.
_LOCAL = ".local"


class DotlessHostPolicy(DefaultCookiePolicy):
    """Lets a host without a dot set cookies for itself, by ``Domain=testserver``, as browsers do (RFC 6265 5.3)."""

    def set_ok_domain(self, cookie: Cookie, request: Request) -> bool:
        """Whether the response may set a cookie of this domain."""
        domain = cookie.domain.lstrip(".")
        itself = domain == request.host.partition(":")[0]
        if cookie.domain_specified and (itself or "." not in domain):  # the library would take "local" for all
            return itself
        return super().set_ok_domain(cookie, request)


class DotlessHostJar(CookieJar):
    """Keeps a cookie with ``Domain=testserver`` so that it is sent to testserver again.

    The standard library keeps it under ".testserver", but looks for it under "testserver.local".
    """

    def __init__(self) -> None:
        super().__init__(policy=DotlessHostPolicy())

    def set_cookie(self, cookie: Cookie) -> None:
        """Keep a cookie."""
        kept_under = _kept_under(cookie.domain)
        if cookie.domain_specified and kept_under != cookie.domain:
            cookie = copy(cookie)  # it may be in a jar of the test's as well
            cookie.domain = kept_under
            cookie.domain_specified = cookie.domain_initial_dot = False
        super().set_cookie(cookie)

    def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
        """Forget cookies; the response that lets one with ``Domain=testserver`` expire does it, too."""
        super().clear(_kept_under(domain) if domain else domain, path, name)


def _kept_under(domain: str) -> str:
    host = domain.lstrip(".")
    return domain if "." in host or not host else host + _LOCAL


def jar_for_any_host(cookies: CookieTypes | None) -> CookieJar:
    """Return `cookies`, whatever httpx takes for them, in a jar for hosts without a dot. A jar is kept as it is."""
    if isinstance(cookies, CookieJar):
        return cookies
    jar = DotlessHostJar()
    httpx.Cookies(jar).update(cookies)
    return jar


class Cookies(httpx.Cookies):
    """Cookies that look at a response only where it sets any: for the library, the search in vain is long work."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Keep what the response sets."""
        if "set-cookie" in response.headers or "set-cookie2" in response.headers:
            super().extract_cookies(response)


class CookiesForAnyHost:
    """Gives an httpx client such a jar, and keeps it one when the cookies are replaced as a whole."""

    _cookies_of_our_jar: Cookies | None = None

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:
        """Build a request; its own cookies, too, may have a domain without a dot."""
        if options.get("cookies"):
            options["cookies"] = jar_for_any_host(options["cookies"])
        return super().build_request(method, url, **options)  # type: ignore[misc, no-any-return]

    @property
    def cookies(self) -> httpx.Cookies:
        """The cookies that the client keeps, and sends."""
        cookies: httpx.Cookies = super().cookies  # type: ignore[misc]  # the httpx client beside it
        ours = self._cookies_of_our_jar
        if ours is not None and ours.jar is cookies.jar:
            return ours
        if type(cookies.jar) is not DotlessHostJar:
            return cookies  # a jar of the test's own may want to see every response
        self._cookies_of_our_jar = ours = Cookies(cookies.jar)
        return ours

    @cookies.setter
    def cookies(self, cookies: CookieTypes | None) -> None:
        httpx.Client.cookies.fset(self, jar_for_any_host(cookies))  # type: ignore[attr-defined]

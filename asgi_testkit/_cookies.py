"""A cookie jar for hosts without a dot, such as testserver."""

from __future__ import annotations

from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import TypeAlias

import httpx

#: What httpx takes for ``cookies=``.
CookieTypes: TypeAlias = httpx.Cookies | CookieJar | dict[str, str] | list[tuple[str, str]]

#: The standard library appends this to hosts without a dot, and finds their cookies by it.
_LOCAL = ".local"


class DotlessHostPolicy(DefaultCookiePolicy):
    """Lets a host without a dot set cookies for itself by name, ``Domain=testserver``, as browsers do (RFC 6265 5.3)."""

    def set_ok_domain(self, cookie: Cookie, request: object) -> bool:
        """Whether the response may set a cookie of this domain."""
        host: str = request.host  # type: ignore[attr-defined]  # a urllib.request.Request
        domain = cookie.domain.lstrip(".")
        itself = domain == host.partition(":")[0].lower()
        if cookie.domain_specified and (itself or "." not in domain):  # the standard library would let "local" pass as well
            return itself
        return bool(super().set_ok_domain(cookie, request))  # type: ignore[misc]  # typeshed leaves it out


class DotlessHostJar(CookieJar):
    """Keeps a cookie with ``Domain=testserver`` so that it is sent to testserver again.

    The standard library keeps it under ".testserver", but looks for it under "testserver.local".
    """

    def __init__(self) -> None:
        super().__init__(policy=DotlessHostPolicy())

    def set_cookie(self, cookie: Cookie) -> None:
        """Keep a cookie."""
        host = cookie.domain.lstrip(".")
        if cookie.domain_specified and "." not in host:
            cookie.domain = host + _LOCAL
            cookie.domain_specified = cookie.domain_initial_dot = False
        super().set_cookie(cookie)


def jar_for_any_host(cookies: CookieTypes | None) -> CookieJar:
    """Return `cookies`, whatever httpx takes for them, in a jar for hosts without a dot. A jar is kept as it is."""
    if isinstance(cookies, CookieJar):
        return cookies
    jar = DotlessHostJar()
    httpx.Cookies(jar).update(cookies)
    return jar


class CookiesForAnyHost:
    """Gives an httpx client such a jar, and keeps it one when the cookies are replaced as a whole."""

    @property
    def cookies(self) -> httpx.Cookies:
        """The cookies that the client keeps, and sends."""
        return super().cookies  # type: ignore[misc, no-any-return]  # the httpx client beside it

    @cookies.setter
    def cookies(self, cookies: CookieTypes | None) -> None:
        httpx.Client.cookies.fset(self, jar_for_any_host(cookies))  # type: ignore[attr-defined]

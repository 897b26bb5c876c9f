"""Clients that are logged in, by a session, by a token, and by an identity provider in the same process."""

from collections.abc import AsyncIterator, Generator
from datetime import timedelta

import httpx
import pytest
from accounts import CLIENT_ID, CLIENT_SECRET, PROVIDER, SESSION_KEY, app, outgoing, token, user_of
from fastapi import FastAPI, Request
from provider import create_provider
from starlette.middleware.sessions import SessionMiddleware

from asgi_testkit import ASGIApp, ASGITransport, AsyncClient, LifespanManager


@pytest.fixture
async def running() -> AsyncIterator[ASGIApp]:
    """Start the app once for all clients of a test."""
    async with LifespanManager(app) as manager:
        yield manager.app


# Sessions


async def logged_in(running: ASGIApp, name: str) -> AsyncClient:
    """Log in as a user does, so that the client has the cookie."""
    client = AsyncClient(running)
    response = await client.post("/login", data={"name": name, "password": f"{name}'s password"})
    assert response.status_code == 200
    return client


async def test_two_users_at_once(running: ASGIApp) -> None:
    ada, grace = await logged_in(running, "ada"), await logged_in(running, "grace")
    assert (await ada.get("/me")).json() == {"name": "ada", "visits": 1}
    assert (await grace.get("/me")).json() == {"name": "grace", "visits": 1}
    assert (await ada.get("/me")).json() == {"name": "ada", "visits": 2}
    assert (await AsyncClient(running).get("/me")).status_code == 401


async def test_a_session_ends(running: ASGIApp) -> None:
    ada = await logged_in(running, "ada")
    await ada.post("/logout")
    assert (await ada.get("/me")).status_code == 401
    assert not ada.cookies


async def test_a_session_for_https_alone_needs_a_base_url_of_https() -> None:
    secure = FastAPI()
    secure.add_middleware(SessionMiddleware, secret_key=SESSION_KEY, https_only=True)

    @secure.post("/visits")
    async def visits(request: Request) -> int:
        request.session["visits"] = request.session.get("visits", 0) + 1
        number: int = request.session["visits"]
        return number

    forgetful = AsyncClient(secure)  # http://testserver
    assert [(await forgetful.post("/visits")).json() for _ in range(2)] == [1, 1]
    client = AsyncClient(secure, base_url="https://testserver")
    assert [(await client.post("/visits")).json() for _ in range(2)] == [1, 2]


# Tokens


async def test_a_token_for_each_request_of_a_client(running: ASGIApp) -> None:
    ada = AsyncClient(running, headers={"authorization": f"Bearer {token('ada')}"})
    assert (await ada.get("/letters")).json() == ["dear ada"]
    assert (await AsyncClient(running).get("/letters")).status_code == 401


async def test_a_token_that_has_expired(running: ASGIApp) -> None:
    expired = token("ada", timedelta(seconds=-1))
    response = await AsyncClient(running, headers={"authorization": f"Bearer {expired}"}).get("/letters")
    assert (response.status_code, response.json()) == (401, {"detail": "Signature has expired"})


class FreshToken(httpx.Auth):
    """Make a token for each request, which so never expires in a long test."""

    def __init__(self, name: str) -> None:
        self.name = name

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put it into a request."""
        request.headers["authorization"] = f"Bearer {token(self.name)}"
        yield request


async def test_a_new_token_for_each_request(running: ASGIApp) -> None:
    assert (await AsyncClient(running, auth=FreshToken("ada")).get("/letters")).json() == ["dear ada"]


async def test_what_is_not_about_logging_in(running: ASGIApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.dependency_overrides, user_of, lambda: "ada")
    assert (await AsyncClient(running).get("/letters")).json() == ["dear ada"]


# An identity provider


@pytest.fixture
def user() -> str | None:
    """Tell who is logged in at the provider: ada, unless a test says otherwise."""
    return "ada"


@pytest.fixture
def to_provider(user: str | None) -> dict[str, httpx.AsyncBaseTransport]:
    """Make a provider, and say how it is reached."""
    return {PROVIDER: ASGITransport(create_provider(user))}


def refuse(request: httpx.Request) -> httpx.Response:
    """Stand in for the network, where no request is to go."""
    msg = f"nothing is mounted for {request.url.host}"
    raise httpx.ConnectError(msg)


@pytest.fixture
async def of_the_app(to_provider: dict[str, httpx.AsyncBaseTransport]) -> AsyncIterator[httpx.AsyncClient]:
    """Make the client by which the app asks the provider, and nobody else."""
    async with httpx.AsyncClient(mounts=to_provider, transport=httpx.MockTransport(refuse)) as client:
        yield client


@pytest.fixture
async def browser(
    running: ASGIApp,
    to_provider: dict[str, httpx.AsyncBaseTransport],
    of_the_app: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[AsyncClient]:
    """Make a client that follows the user's way, from the app to the provider and back."""
    monkeypatch.setitem(app.dependency_overrides, outgoing, lambda: of_the_app)
    async with AsyncClient(running, mounts=to_provider, follow_redirects=True) as browser:
        yield browser


async def test_a_login_at_the_provider(browser: AsyncClient) -> None:
    response = await browser.get("/oauth/login")
    assert response.json() == {"name": "ada", "visits": 1}
    way = [*response.history, response]
    assert [(each.url.host, each.url.path) for each in way] == [
        ("testserver", "/oauth/login"),
        ("login.example", "/authorize"),
        ("testserver", "/oauth/callback"),
        ("testserver", "/me"),
    ]


@pytest.mark.parametrize("user", [None])
async def test_a_user_who_refuses(browser: AsyncClient) -> None:
    response = await browser.get("/oauth/login")
    assert (response.status_code, response.json()) == (403, {"detail": "access_denied"})


async def test_a_login_that_somebody_else_began(browser: AsyncClient, running: ASGIApp) -> None:
    begun = await browser.get("/oauth/login", follow_redirects=False)
    assert begun.next_request is not None
    back = await browser.send(begun.next_request, follow_redirects=False)
    response = await AsyncClient(running).get(back.headers["location"])  # without ada's cookies
    assert response.status_code == 400


async def test_a_code_is_of_no_use_without_the_secret_of_the_session(
    browser: AsyncClient, of_the_app: httpx.AsyncClient
) -> None:
    begun = await browser.get("/oauth/login", follow_redirects=False)
    assert begun.next_request is not None
    back = await browser.send(begun.next_request, follow_redirects=False)
    form = {"code": httpx.URL(back.headers["location"]).params["code"], "code_verifier": "a guess"}
    answer = await of_the_app.post(f"{PROVIDER}/token", data=form, auth=(CLIENT_ID, CLIENT_SECRET))
    assert (answer.status_code, answer.json()) == (400, {"detail": "invalid_grant"})


async def test_the_app_reaches_nobody_else(of_the_app: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ConnectError, match=r"nothing is mounted for login\.example\.evil"):
        await of_the_app.get("https://login.example.evil/token")

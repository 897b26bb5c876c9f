"""The app under test: three ways to log in. A password and a session, a token, and another service that vouches."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, TypedDict
from urllib.parse import urlencode

import httpx
import jwt
from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import RedirectResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.middleware.sessions import SessionMiddleware

SESSION_KEY = "the key that signs the cookies of sessions"
TOKEN_KEY = "the key that signs the tokens of this app"  # noqa: S105 - it is an example

PROVIDER = "https://login.example"
CLIENT_ID = "accounts"
CLIENT_SECRET = "what this app and the provider alone know"  # noqa: S105


class State(TypedDict):
    """What the lifespan shares with the requests."""

    visits: dict[str, int]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Start to count."""
    yield {"visits": {}}


app = FastAPI(lifespan=lifespan)
app.add_middleware(SessionMiddleware, secret_key=SESSION_KEY)


# A session: the cookie says who it is.


@app.post("/login")
async def log_in(request: Request, name: Annotated[str, Form()], password: Annotated[str, Form()]) -> None:
    """Begin a session."""
    if password != f"{name}'s password":
        raise HTTPException(401, "wrong password")
    request.session["name"] = name


@app.post("/logout")
async def log_out(request: Request) -> None:
    """End the session."""
    request.session.clear()


@app.get("/me")
async def me(request: Request) -> dict[str, str | int]:
    """Tell who is logged in, and for how many times this was asked."""
    if "name" not in request.session:
        raise HTTPException(401, "log in first")
    name: str = request.session["name"]
    visits: dict[str, int] = request.state.visits
    visits[name] = visits.get(name, 0) + 1
    return {"name": name, "visits": visits[name]}


# A token: it says itself who it is, and for how long.


def token(name: str, lifetime: timedelta = timedelta(hours=1)) -> str:
    """Return a token for a user."""
    return jwt.encode({"sub": name, "exp": datetime.now(UTC) + lifetime}, TOKEN_KEY, "HS256")


def user_of(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    """Return whose token it is."""
    try:
        name: str = jwt.decode(credentials.credentials, TOKEN_KEY, ["HS256"])["sub"]
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, str(error)) from error
    return name


@app.get("/letters")
async def letters(name: Annotated[str, Depends(user_of)]) -> list[str]:
    """Tell what somebody got."""
    return [f"dear {name}"]


# Another service: an authorization code, with PKCE.


async def outgoing() -> AsyncIterator[httpx.AsyncClient]:
    """Open a client for the requests that this app makes itself."""
    async with httpx.AsyncClient() as client:
        yield client


def challenge_of(verifier: str) -> str:
    """Return what the provider is told of a secret before it is told the secret (RFC 7636, section 4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@app.get("/oauth/login")
async def go_to_the_provider(request: Request) -> RedirectResponse:
    """Send the user to the provider, who sends them back with a code."""
    request.session["state"], request.session["verifier"] = secrets.token_urlsafe(), secrets.token_urlsafe()
    query = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": str(request.url_for("come_back")),
        "state": request.session["state"],
        "code_challenge": challenge_of(request.session["verifier"]),
        "code_challenge_method": "S256",
    }
    return RedirectResponse(f"{PROVIDER}/authorize?{urlencode(query)}")


@app.get("/oauth/callback")
async def come_back(
    request: Request,
    client: Annotated[httpx.AsyncClient, Depends(outgoing)],
    state: str,
    code: str = "",
    error: str = "",
) -> RedirectResponse:
    """Ask the provider whose code it is, and begin a session."""
    if state != request.session.pop("state", None):
        raise HTTPException(400, "this is not the login that was begun here")
    if error:
        raise HTTPException(403, error)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": str(request.url_for("come_back")),
        "code_verifier": request.session.pop("verifier"),
    }
    answer = await client.post(f"{PROVIDER}/token", data=form, auth=(CLIENT_ID, CLIENT_SECRET))
    if answer.is_error:
        raise HTTPException(502, answer.text)
    claims = jwt.decode(answer.json()["id_token"], CLIENT_SECRET, ["HS256"], audience=CLIENT_ID, issuer=PROVIDER)
    request.session["name"] = claims["sub"]
    return RedirectResponse("/me")

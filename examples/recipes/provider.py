"""An identity provider for tests: the two endpoints that an app needs, and no page on which anybody would log in."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

import jwt
from accounts import CLIENT_ID, CLIENT_SECRET, PROVIDER, challenge_of
from fastapi import Depends, FastAPI, Form, HTTPException
from fastapi.responses import RedirectResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials


def create_provider(user: str | None) -> FastAPI:
    """Make a provider where this user is logged in, and agrees; or, if it is None, somebody who refuses."""
    provider = FastAPI()
    challenges: dict[str, str] = {}  # by the code that was given out

    @provider.get("/authorize")
    async def authorize(redirect_uri: str, state: str, code_challenge: str) -> RedirectResponse:
        if user is None:
            answer = {"error": "access_denied"}
        else:
            answer = {"code": secrets.token_urlsafe()}
            challenges[answer["code"]] = code_challenge
        return RedirectResponse(f"{redirect_uri}?{urlencode({**answer, 'state': state})}")

    @provider.post("/token")
    async def token(
        app: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())],
        code: Annotated[str, Form()],
        code_verifier: Annotated[str, Form()],
    ) -> dict[str, str]:
        if (app.username, app.password) != (CLIENT_ID, CLIENT_SECRET):
            raise HTTPException(401, "no app of that name and secret")
        if challenges.pop(code, None) != challenge_of(code_verifier):
            raise HTTPException(400, "invalid_grant")
        lifetime = datetime.now(UTC) + timedelta(minutes=5)
        claims = {"iss": PROVIDER, "aud": CLIENT_ID, "sub": user, "exp": lifetime}
        return {"token_type": "Bearer", "id_token": jwt.encode(claims, CLIENT_SECRET, "HS256")}

    return provider

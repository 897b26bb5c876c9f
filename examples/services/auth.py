"""The first service: who a token belongs to. It asks nobody."""

from typing import Annotated

from fastapi import FastAPI, Header, HTTPException

app = FastAPI(title="auth")

USERS = {"Bearer sesame": "ada"}


@app.get("/whoami", responses={401: {"description": "The token is nobody's"}})
async def whoami(authorization: Annotated[str, Header()] = "") -> str:
    """Tell whose token it is."""
    if authorization not in USERS:
        raise HTTPException(401, "whose token is this?")
    return USERS[authorization]

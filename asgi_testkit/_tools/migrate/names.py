"""Names of other packages, and ours in their place."""

from __future__ import annotations

#: What this package is called, in code that is written.
OURS = "asgi_testkit"

#: Blocking clients that have the arguments and methods of ours.
BLOCKING = ("starlette.testclient.TestClient", "fastapi.testclient.TestClient", "litestar.testing.TestClient")

#: Names that can be exchanged wherever they stand.
EVERYWHERE = {
    **dict.fromkeys(BLOCKING, "TestClient"),
    "starlette.testclient.WebSocketTestSession": "WebSocketSession",
    "starlette.testclient.WebSocketDenialResponse": "WebSocketDenied",
    "litestar.testing.WebSocketTestSession": "WebSocketSession",
    "asgi_lifespan.LifespanManager": "LifespanManager",
    "httpx.ASGITransport": "ASGITransport",
    "httpx2.ASGITransport": "ASGITransport",
}

#: The exceptions of that name which the session of a test raises, and an app may raise and catch as well.
DISCONNECTS = {
    "starlette.websockets.WebSocketDisconnect",
    "starlette.testclient.WebSocketDisconnect",
    "fastapi.WebSocketDisconnect",
    "fastapi.websockets.WebSocketDisconnect",
    "litestar.exceptions.WebSocketDisconnect",
}

#: Modules, or names of them, for which there is a page of the docs, and no command.
BY_HAND = {
    "async_asgi_testclient": "from-async-asgi-testclient",
    "httpx_ws.transport.ASGIWebSocketTransport": "httpx-ws",
}

#: A file that has none of these in it is not looked at.
TRACES = ("testclient", "asgi_lifespan", "ASGITransport", "app=", "litestar.testing", "test_client", "test_app")


def ours(name: str, library: str) -> str:
    """Return the full name of what is ours, for the library of those two that a suite is on."""
    return f"{OURS}.{name}" if library == "httpx" else f"{OURS}.{library}.{name}"


#: Of what `asgi_testkit.httpx2` has its own.
OF_EACH_LIBRARY = {"ASGITransport", "AsyncClient", "TestClient", "AsyncWebSocketSession", "WebSocketSession"}

"""Serves the apps of all cases: ``python -m tests.parity.observed.live.served SERVER PORT``, with two variables set.

A request tells by a header which case it belongs to. The lifespan is that of the case in ``PARITY_LIFESPAN``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Any

from asgi_testkit import Receive, Scope, Send

from ..call import Call
from ..cases import CASES
from .stage import RUN, FolderStage

HOST = "127.0.0.1"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Play the app's part of the case that the request is about."""
    folder, lifespan = os.environ["PARITY_FOLDER"], os.environ["PARITY_LIFESPAN"]
    if scope["type"] == "lifespan":
        run = lifespan
        if not run:
            await _live(receive, send)
            return
    else:
        run = dict(scope["headers"]).get(RUN, b"").decode()
        if not run:  # a look whether the server is there
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})
            return
        scope["headers"] = [header for header in scope["headers"] if header[0] != RUN]
    case = CASES[int(run.partition(".")[0])]
    call = Call(FolderStage(folder, run), scope, receive, send)
    await call.play((case.lifespan or ()) if scope["type"] == "lifespan" else case.app)


async def _live(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


def serve_uvicorn(port: int, http: Any) -> None:
    import uvicorn

    ws: Any = "wsproto" if http == "h11" else "auto"
    uvicorn.run(app, host=HOST, port=port, http=http, ws=ws, loop="asyncio", log_config=None, access_log=False)


def serve_hypercorn(port: int) -> None:
    import hypercorn.asyncio

    config = hypercorn.Config()
    config.bind = [f"{HOST}:{port}"]
    config.errorlog = None
    asyncio.run(hypercorn.asyncio.serve(app, config))  # type: ignore[arg-type]  # its scopes are TypedDicts


def serve_anycorn(port: int) -> None:
    import anycorn

    config = anycorn.Config()
    config.bind = [f"{HOST}:{port}"]
    config.errorlog = None
    asyncio.run(anycorn.serve(app, config))


def serve_granian(port: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces, Loops

    target = f"{__spec__.name}:app"
    Granian(target, HOST, port, interface=Interfaces.ASGI, loop=Loops.asyncio, log_enabled=False).serve()


def serve_daphne(port: int) -> None:
    from daphne.server import Server

    Server(app, endpoints=[f"tcp:port={port}:interface={HOST}"], verbosity=0).run()


def main(server: str, port: str) -> None:
    """Serve until a signal comes."""
    logging.disable()
    kind, _, http = server.partition("-")
    if http:
        serve_uvicorn(int(port), http)
    else:
        globals()[f"serve_{kind}"](int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])

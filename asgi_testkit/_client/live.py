"""``live=``: what a client needs to have its app on a real server, and which of its options have no meaning there."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .._conversation.opening import Opening
from .._live import run
from .._types import SingleCallable

if TYPE_CHECKING:
    from .._live.gateway import Gateway

#: The options that have no meaning on a server, and why.
REFUSED = {
    "write_buffer": "how far an app may be ahead of its client is the server's to decide",
    "strict": "what an app may send is the server's to decide",
    "scope": "the scope is the server's",
    "asgi_extensions": "what is offered in the scope's extensions is the server's",
    "client": "the address that the app sees is the connection's own",
}

_TLS_SCHEMES = frozenset({"https", "wss"})


def gateway_of(
    guests_app: SingleCallable, live: Any, context: Any, *, base_url: str, http2: bool, refused: Iterable[str]
) -> Gateway | None:
    """Return the way to the server that a client, or the run, asks for; None for none.

    Args:
        guests_app: What calls get that no client of ours has made.
        live: What the client is given.
        context: What it is given as ``ssl=``.
        base_url: That of the client.
        http2: Whether HTTP/2 is wanted.
        refused: The options that it is given and that have no meaning on a server.

    Raises:
        ValueError: Options do not go together.
        TypeError: One is of the wrong type.
        ModuleNotFoundError: The server is not installed.
    """
    if context is not None and not isinstance(context, ssl.SSLContext):
        msg = f"ssl= is an ssl.SSLContext, with the certificate that the server is to show, not {context!r}"
        raise TypeError(msg)
    asked = run.current if live is None and run.current is not None and not run.current.paused else None
    if asked is not None:
        live = asked.server
    trouble = [f"{name}= has no meaning with live=: {REFUSED[name]}" for name in refused]
    tls = base_url.partition("://")[0].lower() in _TLS_SCHEMES
    if tls and context is None:
        trouble.append(f"live= with the base URL {base_url} needs ssl=, an ssl.SSLContext with a certificate")
    if context is not None and not tls:
        trouble.append(f"ssl= needs a base URL that begins with https://, and {base_url} does not")
    if asked is not None and trouble:
        asked.in_process.update([f"{name}=" for name in refused] or ["an https:// base URL"])
        return None
    if live is None or live is False:
        if context is not None:
            msg = "ssl= is for live=: without a server there is no TLS, and an https:// base URL is enough"
            raise ValueError(msg)
        return None
    if trouble:
        raise ValueError("; ".join(trouble))
    from .._live.gateway import Gateway  # few tests need it
    from .._live.servers import server_of

    server = server_of(live, context=context, http2=http2)
    return Gateway(server, guests_app, context=context, http2=http2, run=asked)


def forwarded(opening: Opening, gateway: Gateway, request: Any) -> Opening:
    """Return what a conversation begins with whose app is called by a server.

    Raises:
        ValueError: The request is not for that.
    """
    asked: Mapping[str, Any] = request.extensions.get("asgi", {})
    trouble = [
        f'extensions={{"asgi": {{"{name}": ...}}}} has no meaning with live=: {REFUSED[name]}'
        for name in REFUSED.keys() & asked.keys()
    ]
    if (request.url.scheme in _TLS_SCHEMES) is not gateway.tls:
        speaks = "TLS, by ssl=" if gateway.tls else "no TLS: ssl= is missing"
        trouble.append(f"{request.url} cannot be asked for with live=: the server speaks {speaks}")
    if gateway.run is not None and (trouble or not gateway.fits_loop()):
        gateway.run.in_process.update([f"{name}=" for name in REFUSED.keys() & asked.keys()] or ["a loop or a URL"])
        return opening
    if trouble:
        raise ValueError("; ".join(trouble))
    forward = gateway.forward(opening.app, raises=opening.options.raise_server_exceptions)
    return opening._replace(app=forward, elsewhere=forward, known=forward.extensions)

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
    "faults": "what a network does is done between a client and an app that run in one process",
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
    check_context(context)
    asked = run.current if live is None or live is False else None
    if context is not None and (live is False or (live is None and asked is None)):
        msg = "ssl= is for live=: without a server there is no TLS, and an https:// base URL is enough"
        raise ValueError(msg)
    if asked is None and (live is None or live is False):
        return None
    trouble = [f"{name}= has no meaning with live=: {REFUSED[name]}" for name in refused]
    tls = base_url.partition("://")[0].lower() in _TLS_SCHEMES
    if tls and context is None:
        trouble.append(f"live= with the base URL {base_url} needs ssl=, an ssl.SSLContext with a certificate")
    if context is not None and not tls:
        trouble.append(f"ssl= needs a base URL that begins with https://, and {base_url} does not")
    kept = ""
    if asked is not None:
        kept = asked.paused or ("by live=False" if live is False else _kept_by(refused) if trouble else "")
        live = asked.server
    if kept:
        context, http2 = None, False
    elif trouble:
        raise ValueError("; ".join(trouble))
    from .._live.gateway import Gateway  # few tests need it
    from .._live.servers import server_of

    server = server_of(live, context=context, http2=http2)
    return Gateway(server, guests_app, context=context, http2=http2, run=asked, in_process=kept)


def check_context(context: Any) -> None:
    """Check what is given as ``ssl=``.

    Raises:
        TypeError: It is no ``ssl.SSLContext``.
    """
    if context is not None and not isinstance(context, ssl.SSLContext):
        msg = f"ssl= is an ssl.SSLContext, with the certificate that the server is to show, not {context!r}"
        raise TypeError(msg)


def _kept_by(options: Iterable[str]) -> str:
    """Say what keeps in-process what only a run wants to have on a server: options, or else a URL."""
    return f"for {' and '.join(f'{name}=' for name in options) or 'the scheme of its URL'}"


def forwarded(opening: Opening, gateway: Gateway, request: Any) -> Opening:
    """Return what a conversation begins with whose app is called by a server.

    What stays in-process, as only a run has asked for the server, the run counts.

    Raises:
        ValueError: The request is not for that.
    """
    asked: Mapping[str, Any] = request.extensions.get("asgi", {})
    refused = [name for name in REFUSED if name in asked]
    trouble = [
        f'extensions={{"asgi": {{"{name}": ...}}}} has no meaning with live=: {REFUSED[name]}' for name in refused
    ]
    if (request.url.scheme in _TLS_SCHEMES) is not gateway.tls:
        speaks = "TLS, by ssl=" if gateway.tls else "no TLS: ssl= is missing"
        trouble.append(f"{request.url} cannot be asked for with live=: the server speaks {speaks}")
    if gateway.run is not None:
        kept = gateway.kept_in_process() or (_kept_by(refused) if trouble else "")
        if kept:
            gateway.run.in_process[kept] += 1
            return opening
    if trouble:
        raise ValueError("; ".join(trouble))
    forward = gateway.forward(opening.app, raises=opening.options.raise_server_exceptions)
    return opening._replace(app=forward, elsewhere=forward, known=forward.extensions)

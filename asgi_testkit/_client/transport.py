"""ASGITransport: an httpx transport that runs an ASGI app in the running event loop."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn

import anyio
import httpx

from .._conversation import causes, observer
from .._conversation.conversation import Conversation
from .._conversation.draws import Numbers, faults_between, wanted
from .._conversation.http import HTTPExchange
from .._conversation.loop import HomeLoop, cancellation_may_be_pending, checkpoint
from .._conversation.observer import Observer
from .._conversation.opening import Opening
from .._conversation.websocket import WebSocketConnection
from .._errors import tell_beside
from .._live import run
from .._protocol.app import as_single_callable, name_of
from .._protocol.extensions import checked, offered
from .._protocol.faults import GivenFaults
from .._protocol.handshake import acceptance, refusal
from .._protocol.options import ExchangeOptions, mapping, timeouts_of
from .._protocol.scope import HTTP_EXTENSIONS, WEBSOCKET_EXTENSIONS, asks_for_websocket, websocket_scope
from .._record.as_json import conversations
from .._record.har import har
from .._record.recorder import WHOLE_BODY, Recorder
from .._record.recording import Recording
from .._types import Address, ASGIApp, Background, Receive, Scope, Send, SingleCallable, public
from .library import HTTPXTransport, Request, Response, derived, error_for, library_of, network_of
from .live import forwarded
from .request import body_of, scope_of
from .response import refuse_handshake, response_to, response_to_handshake

if TYPE_CHECKING:
    from .._conversation.wire import WireStream
    from .._live.gateway import Gateway


class AppTransport(Recording, Generic[Request, Response]):
    """`ASGITransport` without its base class, which is httpx's or httpx2's ``AsyncBaseTransport``."""

    exchange_class: ClassVar[type[HTTPExchange]] = HTTPExchange
    connection_class: ClassVar[type[WebSocketConnection]] = WebSocketConnection
    extensions: ClassVar[Mapping[str, Any]] = HTTP_EXTENSIONS

    #: Whether it takes the place of another package's.
    stand_in: ClassVar[bool] = False

    #: Why its requests stay in-process where a run of tests is to go to a server, if it has no gateway.
    in_process: str = "over a transport of its own"

    #: Whether a request may be a WebSocket handshake by its headers.
    knows_handshakes: ClassVar[bool] = True

    def __init__(
        self,
        app: ASGIApp,
        raise_app_exceptions: bool = True,  # noqa: FBT001, FBT002 - httpx's own signature
        root_path: str = "",
        client: Address | None = ("127.0.0.1", 123),
        *,
        write_buffer: int = 65536,
        background: Background = "wait",
        disconnect_grace: float = 1.0,
        strict: bool = False,
        compression: bool = False,
        max_message_size: int | None = 16 * 1024 * 1024,
        scope: Mapping[str, Any] | None = None,
        asgi_extensions: Mapping[str, Any] | None = None,
        record: bool = False,
        faults: GivenFaults = None,
    ) -> None:
        """Prepare to run `app`.

        Args:
            app: An ASGI 3 or ASGI 2 application.
            raise_app_exceptions: Whether what the app raises is raised in the test, as it is. Otherwise the test gets
                what a server's client would: status 500, or an incomplete response. ``KeyboardInterrupt`` and
                ``SystemExit`` are always raised.
            root_path: Where the app is mounted. It does not change the path.
            client: Host and port of the peer that the app sees.
            write_buffer: How many bytes of the body the app may be ahead of the reader (more, where the reader wants
                all of it at once). 0: each ``send()`` waits until its chunk was read.
            background: ``"wait"``: the end of the body is read when the app has returned, which it has to within the
                read timeout. ``"detach"``: it is read at once, and the app is left to itself until the transport
                closes.
            disconnect_grace: Seconds that the app has to end by itself after it was told of a disconnect.
            strict: Whether to refuse what the ASGI spec forbids and servers let pass, too.
            compression: Whether WebSocket frames are compressed for a client that offers it (permessage-deflate).
            max_message_size: How many bytes a WebSocket message in frames may have, or a denial response that a session
                reads; None for no limit. A longer message ends the connection with code 1009, a longer denial with
                ``httpx.RemoteProtocolError``.
            scope: Keys of the scope to add or replace.
            asgi_extensions: What to offer in ``scope["extensions"]``, in place of ``http.response.debug`` and, for
                WebSockets, ``websocket.http.response``. Each of the ASGI spec works, and is offered to what it is for.
            record: Whether what goes on is kept, in copies and in bounds, for `transcript`.
            faults: A fault of `asgi_testkit.faults`, or a list of them, for each request and each WebSocket. None:
                whatever ``pytest --asgi-chaos`` draws, if it was given; an empty list: none in any case.

        Raises:
            TypeError: `app` is not an ASGI application, or an option is of the wrong type.
            ValueError: An option makes no sense, or an extension is not supported.
        """
        self.app = app
        self.root_path = root_path
        self.client = client
        self.state: Mapping[str, Any] = {}
        self.home: HomeLoop | None = None
        self.gateway: Gateway | None = None
        if not isinstance(root_path, str):
            msg = f"root_path is a str, not {root_path!r}"
            raise TypeError(msg)
        if client is not None and not (isinstance(client, tuple | list) and len(client) == 2):
            msg = f"client is a pair of host and port, or None, not {client!r}"
            raise TypeError(msg)
        self._scope = _replacements({} if scope is None else scope, "scope")
        given = asgi_extensions is not None
        self._http_extensions = offered(asgi_extensions, "http") if given else self.extensions
        self._websocket_extensions = offered(asgi_extensions, "websocket") if given else WEBSOCKET_EXTENSIONS
        self._options = ExchangeOptions(
            raise_server_exceptions=raise_app_exceptions,
            write_buffer=write_buffer,
            background=background,
            disconnect_grace=disconnect_grace,
            strict=strict,
            compression=compression,
            max_message_size=max_message_size,
            faults=faults,  # type: ignore[arg-type]  # which becomes a tuple when it is checked
        ).checked()
        self._numbers = Numbers()
        self._unsettled: set[Conversation] = set()
        self._recorder = Recorder(body_kept=WHOLE_BODY) if record else None
        if observer.current is not None:
            observer.current.opened(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {name_of(self.app)}>"

    @property
    def app(self) -> ASGIApp:
        """The app, as it was given. Another one may be put here for the requests to come.

        Raises:
            TypeError: That is not an ASGI application.
        """
        return self._app

    @app.setter
    def app(self, app: ASGIApp) -> None:
        self._call = as_single_callable(app)
        self._app = app

    @property
    def recorder(self) -> Recorder | None:
        """What keeps what goes on, with ``record=True``."""
        return self._recorder

    @property
    def disconnect_grace(self) -> float:
        """Seconds that the app has to end by itself after it was told of a disconnect."""
        return self._options.disconnect_grace

    @property
    def raise_app_exceptions(self) -> bool:
        """Whether what the app raises is raised in the test. It may be changed for the requests to come."""
        return self._options.raise_server_exceptions

    @raise_app_exceptions.setter
    def raise_app_exceptions(self, raised: bool) -> None:
        self._options = self._options._replace(raise_server_exceptions=raised)

    async def handle_async_request(self, request: Request) -> Response:
        """Send `request` to the app, and return its response at ``http.response.start``, the body as a stream.

        A WebSocket handshake (RFC 6455 section 4.2) that the app accepts is answered with status 101, and
        ``extensions["network_stream"]`` speaks the protocol then: it has the interface of httpcore's
        ``AsyncNetworkStream``. One that is not as it should be is refused with 400, 405 or 426.

        Cancelling it is a disconnect, and the app has ended when this is over. What an app raises that shares the
        cancellation is raised; and in a cancelled scope, a response that it completes all the same is returned.

        Raises:
            httpx.ReadTimeout: The app did not respond within the read timeout. The text shows where it is suspended.
            httpx.LocalProtocolError: No client could send such a request.
            BaseException: What the app raised, or ``ASGIProtocolError`` for what it did wrong.
        """
        sent: Any = request  # the libraries' classes are as good as the same, but for their names
        response: Any
        if self.home is not None:
            self.home.check()
        if cancellation_may_be_pending():
            await checkpoint()
        scope = self._scope_of(sent)
        if self.knows_handshakes and asks_for_websocket(scope):
            response = await self._upgrade(sent, scope)
            return response  # type: ignore[no-any-return]
        options = self._options_for(sent, scope)
        http = library_of(sent)
        opening = self._opening(self._call, sent, scope, options)
        exchange = self.exchange_class(opening, body_of(sent, http))
        self._unsettled.add(exchange)
        await exchange.start()
        response = await response_to(exchange, http)
        if opening.known:
            response.extensions.update(opening.known)
        return response  # type: ignore[no-any-return]

    def _opening(self, call: SingleCallable, request: httpx.Request, scope: Scope, options: ExchangeOptions) -> Opening:
        timeouts = timeouts_of(request.extensions)
        make_error = partial(error_for, request)
        cause = causes.current()
        recorders: tuple[Observer, ...] = ()
        if self._recorder is not None or options.recorder is not None:
            recorders = tuple(filter(None, [options.recorder, self._recorder]))
        if cause is not None:
            recorders = tuple(dict.fromkeys([*recorders, *cause.recorders]))
        heard_by = observer.together(*recorders, observer.current) if recorders else observer.current
        opening = Opening(
            call,
            scope,
            options,
            timeouts,
            make_error,
            self._unsettled.discard,
            heard_by,
            self.stand_in,
            cause=cause,
            recorders=recorders,
        )
        if self.gateway is not None:
            opening = forwarded(opening, self.gateway, request)
        elif run.current is not None:
            run.current.in_process[self.in_process] += 1
        asked = wanted(options.faults) if opening.elsewhere is None else ()
        if not asked:
            return opening
        between, write_buffer = faults_between(asked, scope["type"], self._numbers, make_error)
        options = options._replace(write_buffer=min(options.write_buffer, write_buffer))
        return opening._replace(options=options, faults=between)

    async def serve_guest(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        """Call the app for a live server's own client, a browser for instance."""
        scope.update(root_path=self.root_path, state=dict(self.state))
        await self._call(scope, receive, send)

    def har(self) -> dict[str, Any]:
        """Return the same as HAR 1.2, for ``json.dump``.

        Raises:
            RuntimeError: It was made without ``record=True``.
        """
        return har({"client": conversations(self._recorded())})

    def _scope_of(self, request: httpx.Request) -> Scope:
        return scope_of(
            request,
            client=self.client,
            root_path=self.root_path,
            state=self.state,
            extensions=self._http_extensions,
        )

    async def _upgrade(self, request: httpx.Request, scope: Scope) -> httpx.Response:
        refused = refusal(scope)
        if refused is not None:
            await checkpoint()
            return refuse_handshake(refused, library_of(request))
        agreed = acceptance(scope)
        scope = websocket_scope(scope, extensions=self._websocket_extensions)
        options = self._options_for(request, scope)
        opening = self._opening(self._call, request, scope, options)
        connection = self.connection_class(opening)
        stream = None
        if options.frames:
            network = network_of(library_of(request))
            stream = self._wire_class(network)(
                connection, network, compression=options.compression, max_message_size=options.max_message_size
            )
            agreed += stream.agreed
        self._unsettled.add(connection)
        await connection.start()
        response = await response_to_handshake(connection, request, agreed)
        if opening.known:
            response.extensions.update(opening.known)
        if stream is not None and response.status_code == 101:
            response.extensions["network_stream"] = stream
        return response

    def _wire_class(self, network: Any) -> type[WireStream]:
        from .._conversation.wire import WireStream  # few tests need it

        return derived(WireStream, network, "AsyncNetworkStream")

    def _options_for(self, request: httpx.Request, scope: Scope) -> ExchangeOptions:
        """Return the options of a request, and put what it wants to have in its scope there."""
        scope.update(self._scope)
        if "asgi" not in request.extensions:
            return self._options
        changes = dict(mapping(request.extensions["asgi"], 'extensions={"asgi": ...}'))
        scope.update(_replacements(changes.pop("scope", {}), 'extensions={"asgi": {"scope": ...}}'))
        return self._options.overridden(changes)

    @property
    def unsettled(self) -> tuple[Conversation, ...]:
        """What there is for `aclose` to see to."""
        return tuple(self._unsettled)

    def running(self) -> list[str]:
        """Name the requests whose app has not ended."""
        return [exchange.name for exchange in self._unsettled if not exchange.done]

    async def aclose(self) -> None:
        """See every app that still runs to its end: a detached one has its grace, then it is cancelled.

        Raises:
            BaseException: What an app raised that no call has raised yet. Where several did, the others are notes on
                the first.
        """
        await self.settle(None)

    async def __aexit__(
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
    ) -> None:
        await self.settle(exc_value)

    async def settle(self, reason: BaseException | None) -> None:
        """Do as `aclose` does. What the apps raised is told beside `reason`, the exception under way, if any."""
        if not self._unsettled:
            return
        if self.home is not None:
            self.home.check()
        deadline = anyio.current_time() + self._options.disconnect_grace
        failure: BaseException | None = None
        for exchange in list(self._unsettled):
            try:
                if not exchange.home.here:  # blocking clients may have used several loops: each sees to its own
                    self._forget_lost(exchange)
                    continue
                await exchange.part(reason, grace=max(0.0, deadline - anyio.current_time()), detach=False)
            except BaseException as error:
                if failure is None:
                    failure = error
                else:
                    tell_beside(failure, error)
        if failure is not None:
            raise failure

    def _forget_lost(self, conversation: Conversation) -> None:
        """Forget a conversation whose loop has ended, and the app with it. Raise what that did wrong before."""
        if conversation.home.ended:
            self._unsettled.discard(conversation)
            failure = conversation.untold()
            if failure is not None:
                raise failure

    # For a blocking client, by mistake

    def handle_request(self, request: Request | None = None) -> NoReturn:  # noqa: ARG002 - httpx's signature
        """Say what serves a blocking client.

        Raises:
            TypeError: That is `TestClient`.
        """
        client = "asgi_testkit.TestClient" if isinstance(self, HTTPXTransport) else "asgi_testkit.httpx2.TestClient"
        msg = (
            f"{type(self).__name__} runs an app in the loop that awaits it, for an AsyncClient. In blocking code, "
            f"{client}(app) is a Client with a loop of its own, and goes wherever a Client goes"
        )
        raise TypeError(msg)

    __enter__ = handle_request  # which a blocking client calls first

    def close(self) -> None:
        """Do nothing: a blocking client, which cannot use this transport, closes it all the same."""


def _replacements(scope: Any, argument: str) -> dict[str, Any]:
    """Return the keys of a scope that are to be replaced, if their extensions can be offered."""
    replacements = dict(mapping(scope, argument))
    if replacements.get("extensions") is not None:
        checked(replacements["extensions"], 'scope["extensions"]')
    return replacements


@public
class ASGITransport(AppTransport[httpx.Request, httpx.Response], HTTPXTransport):
    """Runs an ASGI app in-process, in the event loop that awaits the request.

    A drop-in for ``httpx.ASGITransport``, with the same positional arguments. It streams, honours the read timeout,
    tells the app of a disconnect, and sees every app to its end.

    Attributes:
        state: The lifespan's state, of which each scope gets a shallow copy. `AsyncClient` sets it.
        home: The event loop that requests have to come from, if they have to. `AsyncClient` sets it.
        gateway: The way to a real server, with ``live=``. `AsyncClient` sets it.
    """

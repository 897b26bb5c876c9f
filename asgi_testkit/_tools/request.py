"""``python -m asgi_testkit GET app:app /path``: one request to an app, and the transcript of it."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import anyio
import httpx

from .._client.client import AsyncClient
from .._client.session import AsyncWebSocketSession
from .._conversation.departure import names_departure
from .._errors import ASGIProtocolError, LifespanError, WebSocketDisconnect
from .._protocol.app import NoSuchAppError, app_named
from .._record.as_json import conversations

#: Those that the help names. Another one works as well, in capitals.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

#: What is told in a line. Of all else, which is the app's, the traceback is.
_TOLD = (ASGIProtocolError, LifespanError, httpx.HTTPError)

_EPILOG = """\
The app runs in this process, and no server is started. What it prints goes to stderr, and so does the traceback of what
it raises. Secrets are masked in what is printed: passwords, tokens, cookies and the like.

The exit status is 0 if the app has answered, whatever the answer is; 1 if it raised an exception, did not answer in
time, or did not start up or shut down; 2 if the arguments make no sense.
"""


def add_to(commands: Any, also: Iterable[str]) -> None:
    """Add the command to those of an ``argparse`` parser, by the name of each method; `also` may have another one."""
    others = [name for name in also if name.isalpha() and name.isupper() and name not in METHODS]
    parser = commands.add_parser(
        METHODS[0],
        aliases=[*METHODS[1:], *others],
        help="send one request to an app, without a server, and print the transcript of it",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("app", help="module:attribute, or module:factory(), which is called")
    add("url", nargs="?", default="/", help="path and query, or a whole URL (/)")
    add("-H", "--header", action="append", default=[], type=_header, metavar="HEADER", help="'name: value'; repeatable")
    data = "the body, or @FILE, or @- for stdin; JSON is sent as such, all else as a form, unless -H has a content-type"
    add("-d", "--data", action="append", default=[], type=_data, help=f"{data}. With --ws a text message; repeatable")
    add("-L", "--location", action="store_true", help="follow redirects")
    add("--ws", action="store_true", help="open a WebSocket, send what -d has, and receive until nothing comes")
    add(
        "--lifespan",
        choices=("auto", "on", "off"),
        default="auto",
        help="whether the app is started up (auto: if it can)",
    )
    wait = "how long to wait for an answer, and then at most for the end of a stream or a WebSocket (5)"
    add("--timeout", type=seconds, default=5.0, metavar="SECONDS", help=wait)
    add(
        "--idle",
        type=seconds,
        default=1.0,
        metavar="SECONDS",
        help="close a WebSocket if nothing comes for so long (1)",
    )
    add("--json", action="store_true", help="print JSON in place of text: a line for each request, with whole bodies")
    parser.set_defaults(run=run)


def seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        msg = f"{text} is not more than 0 seconds"
        raise argparse.ArgumentTypeError(msg)
    return value


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (name.strip() and colon):
        msg = f"{text!r} is not 'name: value'"
        raise argparse.ArgumentTypeError(msg)
    return name.strip(), value.strip()


def _data(text: str) -> bytes:
    if not text.startswith("@"):
        return text.encode()
    if text == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(options: argparse.Namespace) -> int:
    """Send the request, and print what was said. Return the exit status."""
    out = sys.stdout
    with redirect_stdout(sys.stderr):  # what an app prints is no part of the transcript, which a program may read
        try:
            talk = Talk(options)
        except (NoSuchAppError, TypeError, ValueError) as error:
            sys.stderr.write(f"python -m asgi_testkit: {error}\n")
            return 2
        answered = anyio.run(talk.hold)
    out.writelines(f"{line}\n" for line in talk.lines())
    return 0 if answered else 1


class Talk:
    """One request, or one WebSocket session, and all that belongs to it: startup, redirects, shutdown."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Make a client of the app that is asked for.

        Raises:
            NoSuchAppError: There is no such app.
            TypeError, ValueError: The options make no sense.
        """
        self._options = options
        self._data: list[bytes] = options.data
        if options.ws and options.command != "GET":
            msg = f"--ws: a WebSocket is opened by GET, not by {options.command}"
            raise ValueError(msg)
        if len(self._data) > 1 and not options.ws:
            msg = "-d: a request has one body; several are for --ws"
            raise ValueError(msg)
        self._client = AsyncClient(
            app_named(options.app),
            lifespan=options.lifespan,
            timeout=options.timeout,
            follow_redirects=options.location,
            record=True,
        )

    async def hold(self) -> bool:
        """Start the app up, talk to it, and shut it down. Return whether it has answered, and raised nothing."""
        try:
            async with self._client:
                await (self._over_websocket() if self._options.ws else self._over_http())
        except _TOLD as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        except Exception:  # the app's own
            traceback.print_exc()
        else:
            return True
        return False

    async def _over_http(self) -> None:
        headers = httpx.Headers(self._options.header)
        body = self._data[0] if self._data else None
        if body is not None:
            headers.setdefault("content-type", _type_of(body))
        request = self._options.command, self._options.url
        async with self._client.stream(*request, headers=headers, content=body) as response:
            with anyio.move_on_after(self._options.timeout):
                async for _ in response.aiter_raw():  # the transcript keeps its beginning
                    pass

    async def _over_websocket(self) -> None:
        try:
            async with self._client.websocket_connect(self._options.url, headers=self._options.header) as session:
                for data in self._data:
                    await session.send(_text_or_bytes(data))
                with anyio.move_on_after(self._options.timeout):
                    await self._receive(session)
        except WebSocketDisconnect:  # which the transcript tells of
            pass
        except Exception as error:
            if not names_departure(error):  # what a framework raises in an app that goes on receiving
                raise

    async def _receive(self, session: AsyncWebSocketSession) -> None:
        """Receive until nothing comes."""
        quiet = False
        while not quiet:
            with anyio.move_on_after(self._options.idle) as scope:
                await session.receive(timeout=None)
            quiet = scope.cancelled_caught

    def lines(self) -> Iterable[str]:
        """Return the transcript, as text or as JSON."""
        if not self._options.json:
            return [self._client.transcript()]
        recorder = self._client._core.transport._recorded()  # noqa: SLF001 - ours
        return map(json.dumps, conversations(recorder))


def _text_or_bytes(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _type_of(body: bytes) -> str:
    """Return what a body is, as far as one can see."""
    try:
        is_json = isinstance(json.loads(body), dict | list)
    except ValueError:
        is_json = False
    return "application/json" if is_json else "application/x-www-form-urlencoded"

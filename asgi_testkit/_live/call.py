"""Call: what one request to a live server consists of, whatever its protocol."""

from __future__ import annotations

from typing import Any, NamedTuple

from .._errors import ASGIProtocolError, LiveServerError
from .._types import Receive, Send
from .serving import Serving
from .tap import Visit
from .wire import NETWORK_ERRORS, NOT_SENT, Response


class Call(NamedTuple):
    """One request to a live server, and both of its ends.

    Attributes:
        serving: The server.
        visit: Its call of the app.
        receive, send: The client's end, as an app has it.
        extensions: To be filled with what is known of the response besides its message.
        raises: Whether the test wants the app's exceptions.
    """

    serving: Serving
    visit: Visit
    receive: Receive
    send: Send
    extensions: dict[str, Any]
    raises: bool

    def note_version(self, response: Response) -> None:
        """Note what is known of a response besides its message."""
        for name in ("http_version", "reason_phrase"):
            if name in response.extensions:
                self.extensions[name] = response.extensions[name]

    def failed_early(self) -> BaseException | None:
        """Return what the app raised before it had begun to answer, if the test wants that and not the server's 500."""
        visit = self.visit
        return visit.app_exception if self.raises and visit.done and not visit.started else None

    async def broken_off(self, error: Exception) -> None:
        """See why the server has broken off. It is the app's doing if that has failed, or has left something out.

        Raises:
            LiveServerError: It is not, or the request is one that httpcore does not send; or it is `error`.
            ASGIProtocolError: It is `error`.
        """
        visit = self.visit
        if isinstance(error, LiveServerError | ASGIProtocolError):  # the latter is about what the app has answered
            raise error
        if isinstance(error, NOT_SENT) or not isinstance(error, NETWORK_ERRORS):
            msg = f"this request cannot be sent to a server, or its response cannot be passed on: {error!r}"
            raise LiveServerError(msg) from error
        await visit.wait()
        if visit.app_exception is not None or (visit.app_returned and not visit.complete):
            return
        raise self.server_error(error) from error

    def server_error(self, error: Exception) -> LiveServerError:
        """Return what says that the server has broken off by itself."""
        trouble = self.serving.trouble
        server = self.serving.server.name + (f", {trouble}" if trouble else "")
        return LiveServerError(f"the server, {server}, broke off the connection: {error!r}. Its log may say why")

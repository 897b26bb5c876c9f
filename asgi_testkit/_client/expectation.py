"""Expectation: holds the answer to a request against the status that the test expects."""

from __future__ import annotations

from typing import Any

from .._protocol.expectation import ExpectedStatus, expected_status
from .._protocol.options import mapping
from .._record.recorder import Recorder
from .._record.transcript import transcript


class Expectation:
    """What a test expects of the answer to one call of a client. It hears of what leads there: redirects, logins."""

    def __init__(self, expected: ExpectedStatus) -> None:
        self._expected = expected
        self._recorder = Recorder()

    def listen(self, request: Any) -> None:
        """Hear of a request, and of those that are sent on its account."""
        asked = request.extensions.get("asgi", {})
        request.extensions = {**request.extensions, "asgi": {**asked, "recorder": self._recorder}}

    def accepts(self, response: Any) -> bool:
        """Whether the answer is as expected."""
        return response.status_code in self._expected.codes

    def complaint(self, response: Any) -> AssertionError:
        """Return the error that says what the answer is instead, and what led to it."""
        said = transcript(self._recorder)  # which learns what is secret
        status = f"{response.status_code} {response.reason_phrase}".rstrip()
        text = (
            f"{response.request.method} {response.request.url}: the answer is {status}, and expect_status is "
            f"{self._expected.told}. Where another answer is right, say so with the request: "
            f'extensions={{"asgi": {{"expect_status": {response.status_code}}}}}'
        )
        return AssertionError("\n".join(filter(None, [self._recorder.secrets.masked(text), said])))


def expectation_of(request: Any, usual: ExpectedStatus | None) -> Expectation | None:
    """Return what is expected of the answer to a request, which listens already; None where any answer will do.

    Args:
        request: The request. What it says itself of what it expects goes first.
        usual: What its client expects.

    Raises:
        TypeError, ValueError: What it says makes no sense.
    """
    asked = request.extensions.get("asgi")
    expected = usual
    says = asked is not None and "expect_status" in mapping(asked, 'extensions={"asgi": ...}')
    if says:
        expected = expected_status(asked["expect_status"])
    if expected is None:
        return None
    if request.headers.get("upgrade", "").lower() == "websocket":
        if says:
            msg = "expect_status is not for WebSocket handshakes: a denied one is a WebSocketDenied, with .response"
            raise ValueError(msg)
        return None
    expectation = Expectation(expected)
    expectation.listen(request)
    return expectation

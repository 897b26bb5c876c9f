"""The tests that pass natively and do not with ours, and why: each names what the upstream test asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """A difference that is kept.

    Attributes:
        project: The key of the project.
        test: A node id; without brackets, all of its parameters are meant.
        reason: The line upstream, and why ours is not what it asks for.
    """

    project: str
    test: str
    reason: str

    def covers(self, project: str, node: str) -> bool:
        return project == self.project and self.test in {node, node.partition("[")[0]}


FRESH_LOOP = (
    "{line} wants a new event loop for each request of a client that is not entered. Ours, not entered, has one loop "
    "for all of them: what one request has opened, the next can use."
)

DIFFERENCES = [
    Difference(
        "starlette-1.10.0",
        "tests/test_testclient.py::test_use_testclient_as_contextmanager",
        FRESH_LOOP.format(line="tests/test_testclient.py:148"),
    ),
    Difference(
        "starlette-0.49.3",
        "tests/test_testclient.py::test_use_testclient_as_contextmanager",
        FRESH_LOOP.format(line="tests/test_testclient.py:150"),
    ),
    Difference(
        "httpx-ws-0.9.0",
        "tests/test_transport.py::TestASGIWebSocketTransport::test_transport_exit_closes_stream_queues",
        "tests/test_transport.py:287-289 reads private attributes of the stream that is replaced, `_receive_queue` and "
        "`_send_queue`. Ours has no queues.",
    ),
]


def known(project: str, node: str) -> Difference | None:
    """Return why this test may differ; None if it may not."""
    return next((each for each in DIFFERENCES if each.covers(project, node)), None)


def outdated(project: str, ran: Iterable[str], differ: Iterable[str]) -> list[Difference]:
    """Return the entries whose tests have run, natively passed, and do not differ any more."""
    ran, differ = list(ran), list(differ)
    return [
        each
        for each in DIFFERENCES
        if any(each.covers(project, node) for node in ran) and not any(each.covers(project, node) for node in differ)
    ]

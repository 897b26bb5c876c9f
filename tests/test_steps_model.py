"""Random sequences of items and steps, held against a model: nothing is lost, or comes out of order.

There are 1,000 of them, and 10,000 with `nox -s chaos`.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import anyio
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from asgi_testkit import AsyncClient, Receive, Scope, Send, TestClient
from asgi_testkit._blocking.steps import finish

from .messages import accept, body, say, start

pytestmark = pytest.mark.slow

#: How many sequences there are in each of the 20 batches: the longer Hypothesis goes on, the more time the next takes.
IN_A_BATCH = int(os.environ.get("ASGI_TESTKIT_STEPS", "1000")) // 20

#: What comes, and what is looked for: few different ones, so that much fits, and much is there twice.
WORDS = st.sampled_from(['"a"', '"b"', '"c"', '"d"'])

#: A step: its name, and a pattern; or the words to send, and where their bytes are cut.
Step: TypeAlias = tuple[str, Any]

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.tuples(st.lists(WORDS, min_size=1, max_size=5), st.lists(st.integers(0, 24)))),
        st.tuples(st.sampled_from(["expect", "find", "refute", "find_json", "expect_json", "refute_json"]), WORDS),
        st.tuples(st.sampled_from(["refute", "drain", "__anext__"]), st.none()),
    ),
    max_size=10,
)


class Model:
    """What ought to happen."""

    def __init__(self) -> None:
        self.here: list[str] = []

    def step(self, name: str, word: str | None) -> Any:
        """Return what a step returns, or AssertionError if it raises that."""
        here = self.here
        if name == "__anext__":
            return here.pop(0)
        if name == "drain":
            self.here = []
            return here
        if name.startswith("refute"):
            return AssertionError if (word is None and here) or word in here else None
        if word is None or word not in here or (name.startswith("expect") and here[0] != word):
            return AssertionError
        here.remove(word)
        return json.loads(word) if name.endswith("json") else word


async def play(steps: list[Step], reader: Any, send: Callable[[list[str], list[int]], Awaitable[None]]) -> None:
    """Play steps, and hold what each returns against the model."""
    model = Model()
    for name, argument in steps:
        if name == "send":
            await send(*argument)
            model.here += argument[0]
        elif name != "__anext__" or model.here:
            expected = model.step(name, argument)
            assert await outcome(reader, name, argument) == expected, (name, argument)
    assert await reader.drain() == model.here


async def outcome(reader: Any, name: str, word: str | None) -> Any:
    pattern = () if word is None else (json.loads(word) if name.endswith("json") else word,)
    within = {} if name in {"drain", "__anext__"} else {"within": 0}
    try:
        return await getattr(reader, name)(*pattern, **within)
    except AssertionError:
        return AssertionError


class Sender:
    """An app that sends what the test hands over, as messages or as lines, and says when it has."""

    def __init__(self, event: Any) -> None:
        self._event = event  # of the loop, or of threads
        self._more = event()
        self._parts: list[Any] = []
        self._sent = event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await accept(send)
            while (message := await receive())["type"] == "websocket.receive":
                for word in json.loads(message["text"]):
                    await say(send, word)
                self._sent.set()
            return
        await start(send)
        while True:
            await self._more.wait()
            self._more = anyio.Event()
            for part in self._parts:
                await body(send, part, more=True)
            self._sent.set()

    async def send_messages(self, session: Any, words: list[str], _: list[int]) -> None:
        self._sent = self._event()
        await session.send_text(json.dumps(words))
        await self.has_sent()

    async def send_lines(self, words: list[str], cuts: list[int]) -> None:
        data = "".join(f"{word}\n" for word in words).encode()
        self._parts = [data[begin:end] for begin, end in pairwise([0, *sorted(cuts), len(data)])]
        self._sent = self._event()
        self._more.set()
        await self.has_sent()

    async def has_sent(self) -> None:
        """Wait until all was sent."""
        waiting = self._sent.wait()
        if self._event is anyio.Event:
            await waiting


async def play_on_a_session(steps: list[Step]) -> None:
    sender = Sender(anyio.Event)
    async with AsyncClient(sender, lifespan="off").websocket_connect("/") as session:
        await play(steps, session, partial(sender.send_messages, session))


async def play_on_a_stream(steps: list[Step]) -> None:
    sender = Sender(anyio.Event)
    async with AsyncClient(sender, lifespan="off").stream("GET", "/") as response:
        await play(steps, response.extensions["asgi"].lines(), sender.send_lines)


class Twin:
    """A blocking reader, with the methods of its awaited twin. They do not suspend."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            return getattr(self._reader, {"__anext__": "__next__"}.get(name, name))(*args, **options)

        return call


def hold_against_the_model(play: Callable[[list[Step]], object], batches: int) -> None:
    """Play so many batches of sequences."""
    for number in range(batches):

        @seed(number)
        @settings(max_examples=IN_A_BATCH, deadline=None, database=None)
        @given(STEPS)
        def check(steps: list[Step]) -> None:
            play(steps)

        check()


@pytest.mark.parametrize(
    "play_on, backend, batches",
    [
        (play_on_a_session, "asyncio", 9),
        (play_on_a_session, "trio", 1),
        (play_on_a_stream, "asyncio", 8),
        (play_on_a_stream, "trio", 1),
    ],
)
def test_no_sequence_loses_anything_or_takes_it_out_of_order(
    play_on: Callable[[list[Step]], Awaitable[None]], backend: str, batches: int
) -> None:
    hold_against_the_model(lambda steps: anyio.run(play_on, steps, backend=backend), batches)


def test_no_sequence_on_a_blocking_session_does_either() -> None:
    sender = Sender(threading.Event)
    with TestClient(sender, lifespan="off") as client:

        def play_on_it(steps: list[Step]) -> None:
            with client.websocket_connect("/") as session:
                finish(play(steps, Twin(session), partial(sender.send_messages, Twin(session))))

        hold_against_the_model(play_on_it, 1)

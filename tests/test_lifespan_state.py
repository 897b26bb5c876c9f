"""The automaton of a lifespan: every state against every event, and what is no message at all."""

from __future__ import annotations

from collections import UserDict
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asgi_testkit import ASGIProtocolError
from asgi_testkit._protocol.lifespan import HINTS, TRANSITIONS, Event, LifespanState, State

from .tables import arrive, pairs, refusal_of

#: The events that lead a fresh automaton there; "nonsense" is an illegal message.
ROADS: dict[State, list[Event | str]] = {
    State.STARTING: [],
    State.STARTED: [Event.STARTUP_COMPLETE],
    State.STARTUP_FAILED: [Event.STARTUP_FAILED],
    State.STOPPING: [Event.STARTUP_COMPLETE, Event.SHUTDOWN],
    State.STOPPED: [Event.STARTUP_COMPLETE, Event.SHUTDOWN, Event.SHUTDOWN_COMPLETE],
    State.SHUTDOWN_FAILED: [Event.STARTUP_COMPLETE, Event.SHUTDOWN, Event.SHUTDOWN_FAILED],
    State.FAILED: ["nonsense"],
}

LEGAL = pairs(TRANSITIONS, Event, legal=True)
ILLEGAL = pairs(TRANSITIONS, Event, legal=False)


def happen(lifespan: LifespanState, event: Event | str) -> None:
    if event is Event.SHUTDOWN:
        lifespan.shut_down()
    else:
        lifespan.handle({"type": event.value if isinstance(event, Event) else event})


def arrived(state: State) -> LifespanState:
    return arrive(LifespanState(), state, ROADS[state], happen)


# The tables


@pytest.mark.parametrize("state, event", LEGAL + ILLEGAL)
def test_what_is_expected_is_what_is_legal(state: State, event: Event) -> None:
    legal = event in TRANSITIONS[state] and event is not Event.SHUTDOWN  # which is no message
    assert arrived(state).expects({"type": event.value}) == legal
    assert not arrived(state).expects({"type": "nonsense"})


@pytest.mark.parametrize("state, event", LEGAL)
def test_a_legal_event_leads_where_the_table_says(state: State, event: Event) -> None:
    lifespan = arrived(state)
    happen(lifespan, event)
    assert lifespan.state is TRANSITIONS[state][event]


@pytest.mark.parametrize("state, event", ILLEGAL)
def test_an_illegal_event_fails_and_the_text_says_what_and_when_and_why(state: State, event: Event) -> None:
    lifespan = arrived(state)
    with pytest.raises(ASGIProtocolError) as caught:
        happen(lifespan, event)
    assert lifespan.state is State.FAILED
    assert str(caught.value) == refusal_of(state, event, HINTS)


@pytest.mark.parametrize(
    "events, hint",
    [
        pytest.param([Event.SHUTDOWN_COMPLETE], "lifespan.startup.complete", id="the wrong answer to the startup"),
        pytest.param([Event.STARTUP_COMPLETE] * 2, "twice", id="startup answered twice"),
        pytest.param([Event.STARTUP_COMPLETE, Event.SHUTDOWN_COMPLETE], "receive()", id="shutdown unasked"),
        pytest.param(
            [Event.STARTUP_COMPLETE, Event.SHUTDOWN, Event.STARTUP_COMPLETE],
            "The answer to lifespan.shutdown is",
            id="the wrong answer to the shutdown",
        ),
        pytest.param(
            [Event.STARTUP_COMPLETE, Event.SHUTDOWN, Event.SHUTDOWN_COMPLETE, Event.SHUTDOWN_COMPLETE],
            "twice",
            id="shutdown answered twice",
        ),
    ],
)
def test_a_common_mistake_is_refused_with_advice(events: list[Event], hint: str) -> None:
    lifespan = LifespanState()
    for event in events[:-1]:
        happen(lifespan, event)
    with pytest.raises(ASGIProtocolError, match=rf"^application sent {events[-1].value} while .*{hint}"):
        happen(lifespan, events[-1])


# Failures that the app reports


@pytest.mark.parametrize(
    "state, event", [(State.STARTING, Event.STARTUP_FAILED), (State.STOPPING, Event.SHUTDOWN_FAILED)]
)
@pytest.mark.parametrize(
    "more, said",
    [
        pytest.param({"message": "no database"}, "no database", id="a message"),
        pytest.param({"message": OSError("no database")}, "no database", id="an exception for a message"),
        pytest.param({"message": ""}, "", id="an empty message"),
        pytest.param({}, "", id="no message"),
    ],
)
def test_what_the_app_says_of_its_failure_is_kept(
    state: State, event: Event, more: dict[str, object], said: str
) -> None:
    lifespan = arrived(state)
    lifespan.handle({"type": event.value, **more})
    assert lifespan.message == said


def test_a_message_is_kept_of_failures_only() -> None:
    lifespan = LifespanState()
    lifespan.handle({"type": "lifespan.startup.complete", "message": "all is well"})
    assert lifespan.message == ""


# What is no message of the protocol


@pytest.mark.parametrize(
    "message",
    [
        *({"type": "lifespan.startup"}, {"type": "http.response.start"}, {"type": ""}, {"type": None}, {"type": []}),
        *({}, None, [], "lifespan.startup.complete", 5),
    ],
    ids=repr,
)
def test_what_is_no_message_is_refused(message: Any) -> None:
    lifespan = LifespanState()
    with pytest.raises(ASGIProtocolError) as caught:
        lifespan.handle(message)
    assert lifespan.state is State.FAILED
    told = f"application sent {message!r}, which is no message of the lifespan protocol. Does it look at scope['type']?"
    assert str(caught.value).startswith(told)


def test_the_app_cannot_send_the_client_s_message() -> None:
    lifespan = arrived(State.STARTED)
    with pytest.raises(ASGIProtocolError, match=r"'lifespan\.shutdown'"):
        lifespan.handle({"type": "lifespan.shutdown"})


@pytest.mark.parametrize("kind", [UserDict, MappingProxyType])
def test_any_mapping_is_a_message(kind: Any) -> None:
    lifespan = LifespanState()
    lifespan.handle(kind({"type": "lifespan.startup.failed", "message": "no"}))
    assert (lifespan.state, lifespan.message) == (State.STARTUP_FAILED, "no")


# Any sequence of anything

values: st.SearchStrategy[Any] = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.lists(st.none()))
things = st.one_of(
    st.sampled_from(list(Event)),
    st.builds(lambda event, message: {"type": event.value, "message": message}, st.sampled_from(list(Event)), values),
    st.dictionaries(st.sampled_from(["type", "message"]), values),
    values,
)


@example([Event.STARTUP_COMPLETE, Event.SHUTDOWN, {"type": "lifespan.shutdown.complete"}, None])
@given(st.lists(things, max_size=8))
@settings(deadline=None)
def test_whatever_happens_is_refused_or_follows_the_table(sequence: list[Any]) -> None:
    lifespan = LifespanState()
    for thing in sequence:
        before = lifespan.state
        try:
            if isinstance(thing, Event):
                happen(lifespan, thing)
            else:
                lifespan.handle(thing)
        except ASGIProtocolError:
            assert lifespan.state is State.FAILED
        else:
            event = thing if isinstance(thing, Event) else Event(thing["type"])
            assert lifespan.state is TRANSITIONS[before][event]

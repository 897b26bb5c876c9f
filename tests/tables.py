"""What the tests of the three automata share: the pairs of a table's states and events, and the way to a state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import pytest

from asgi_testkit import ASGIProtocolError

A = TypeVar("A")


def pairs(table: Mapping[Any, Mapping[Any, Any]], events: Iterable[Any], *, legal: bool) -> list[Any]:
    """Return each state with each event that is legal there, or with each that is not, as parameters of a test."""
    together = [(state, event) for state in table for event in events if (event in table[state]) is legal]
    return [pytest.param(state, event, id=f"{state.name}-{event.name}") for state, event in together]


def arrive(automaton: A, state: Any, road: Iterable[Any], take: Callable[[A, Any], object]) -> A:
    """Have an automaton `take` what leads it to a state; on the way to FAILED, one of that is illegal."""
    for each in road:
        try:
            take(automaton, each)
        except ASGIProtocolError:
            assert state.name == "FAILED"
    assert automaton.state is state  # type: ignore[attr-defined]
    return automaton


def refusal_of(state: Any, event: Any, hints: Mapping[Any, str]) -> str:
    """Return the text with which an event is refused."""
    return f"application sent {event.value} while {state.value}. {hints.get((state, event), '')}".rstrip()

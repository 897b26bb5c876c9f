"""The options of an exchange: which values make sense, and which names exist."""

from __future__ import annotations

import re
from typing import Any

import pytest

from asgi_testkit._options import ExchangeOptions


def test_the_defaults_make_sense() -> None:
    options = ExchangeOptions()
    assert options.checked() is options
    assert options == (True, 65536, "wait", 1.0, False, False, 16 * 1024 * 1024)


@pytest.mark.parametrize(
    "changes",
    [
        {"background": "detach"},
        {"write_buffer": 0},
        {"disconnect_grace": 0},
        {"disconnect_grace": float("inf")},
        {"max_message_size": 0},
        {"max_message_size": None},
    ],
    ids=repr,
)
def test_a_value_at_the_border_makes_sense(changes: dict[str, Any]) -> None:
    options = ExchangeOptions(**changes)
    assert options.checked() is options


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"background": "later"}, 'background must be "wait" or "detach", not \'later\''),
        ({"background": None}, 'background must be "wait" or "detach", not None'),
        ({"write_buffer": -1}, "write_buffer is a number of bytes, 0 or more, not -1"),
        ({"disconnect_grace": -0.5}, "disconnect_grace is in seconds, 0 or more, not -0.5"),
        ({"max_message_size": -1}, "max_message_size is a number of bytes, 0 or more, or None, not -1"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        ExchangeOptions(**changes).checked()
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        ExchangeOptions().overridden(changes)


@pytest.mark.parametrize(
    "name, value",
    [
        ("raise_server_exceptions", False),
        ("write_buffer", 1),
        ("background", "detach"),
        ("disconnect_grace", 0.5),
        ("strict", True),
        ("compression", True),
        ("max_message_size", 1),
        ("max_message_size", None),
    ],
)
def test_a_request_may_override_each_option_and_nothing_else_changes(name: str, value: object) -> None:
    options = ExchangeOptions()
    changed = options.overridden({name: value})
    assert changed._asdict() == {**options._asdict(), name: value}
    assert options == ExchangeOptions()


def test_a_request_that_overrides_nothing_has_the_options_of_its_client() -> None:
    options = ExchangeOptions(strict=True)
    assert options.overridden({}) == options


def test_an_unknown_option_is_refused_and_the_text_names_the_known_ones() -> None:
    text = (
        'extensions={"asgi": ...} knows scope, raise_server_exceptions, write_buffer, background, disconnect_grace, '
        "strict, compression, max_message_size, not 'bakcground', 'strcit'"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        ExchangeOptions().overridden({"strcit": True, "strict": True, "bakcground": "wait"})

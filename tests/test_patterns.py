"""What fits what: values, regular expressions and functions."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import ANY

import anyio
import pytest
from dirty_equals import IsInt, IsPartialDict

from asgi_testkit import ServerSentEvent
from asgi_testkit._protocol.patterns import SHOWN, check, described, fits, shown

CASES: list[tuple[Any, object, bool]] = [
    ("a", "a", True),
    ("a", "ab", False),
    ("a", b"a", False),
    (None, None, True),
    ({"n": 1}, {"n": 1}, True),
    ({"n": IsInt}, {"n": 1}, True),
    (IsPartialDict(n=1), {"n": 1, "m": 2}, True),
    (IsPartialDict(n=1), "text", False),
    (IsInt, 3, True),
    (IsInt, "3", False),
    (ANY, b"whatever", True),
    (re.compile("b+"), "abc", True),
    (re.compile("^b"), "abc", False),
    (re.compile("b"), b"abc", False),
    (re.compile(b"b"), b"abc", True),
    (re.compile(b"b"), "abc", False),
    (re.compile("b"), 3, False),
    (re.compile("b"), ServerSentEvent(data="abc"), True),
    (str.isdigit, "12", True),
    (str.isdigit, "x", False),
    (lambda item: item.event == "end", ServerSentEvent("end"), True),
    (lambda item: [], "x", False),
]


@pytest.mark.parametrize("pattern, item, fitting", CASES, ids=[f"case {number}" for number in range(len(CASES))])
def test_what_fits(pattern: Any, item: object, fitting: bool) -> None:
    check(pattern)
    assert fits(pattern, item) is fitting


def test_the_pattern_decides_on_what_it_is_equal_to() -> None:
    class Item:
        __eq__ = None  # type: ignore[assignment]  # to ask it is a TypeError
        __hash__ = None  # type: ignore[assignment]

    assert fits(ANY, Item())


def test_a_class_is_no_pattern_and_the_error_says_what_is() -> None:
    with pytest.raises(TypeError, match=r"the class str is no pattern. Is `lambda item: isinstance\(item, str\)` what"):
        check(str)


@pytest.mark.filterwarnings("error")
def test_an_async_function_is_no_pattern() -> None:
    with pytest.raises(TypeError, match=r"sleep\(\) is an async function. A pattern is a plain one"):
        fits(anyio.sleep, 0)


def test_what_a_function_raises_is_raised() -> None:
    with pytest.raises(KeyError):
        fits(lambda item: item["kind"], {})


def test_an_error_names_a_function_and_shows_a_value_in_part() -> None:
    assert described(str.isdigit) == repr(str.isdigit)
    assert described(test_what_fits) == "test_what_fits()"
    assert shown("x" * (SHOWN - 2)) == repr("x" * (SHOWN - 2))
    assert shown("x" * SHOWN) == f"'{'x' * (SHOWN - 1)}... ({SHOWN + 2} characters in all)"

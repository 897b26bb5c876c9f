"""ExpectedStatus: the status codes that a test expects of an answer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

#: What ``expect_status=`` takes: a status code, a class of them such as ``"2xx"``, or several of these. None: anything.
GivenStatus: TypeAlias = int | str | Iterable[int | str] | None

_CLASS = re.compile("[1-5]xx", re.IGNORECASE)


class ExpectedStatus(NamedTuple):
    """The status codes that are expected, and how a test has written them."""

    codes: frozenset[int]
    told: str


def expected_status(given: GivenStatus) -> ExpectedStatus | None:
    """Return what is expected; None for anything.

    Raises:
        TypeError: It is nothing that says a status.
        ValueError: There is no such status, or it expects none.
    """
    if given is None:
        return None
    several = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    parts = list(given) if several else [given]  # type: ignore[arg-type]  # which mypy cannot tell from `several`
    if not parts:
        msg = f"expect_status expects no status at all: {given!r}. For any status it is None"
        raise ValueError(msg)
    codes = [_codes(part) for part in parts]
    told = str(given) if isinstance(given, range) else " or ".join(map(str, parts))
    return ExpectedStatus(frozenset().union(*codes), told)


def _codes(part: object) -> Iterable[int]:
    if isinstance(part, str) and _CLASS.fullmatch(part):
        first = int(part[0]) * 100
        return range(first, first + 100)
    msg = f'expect_status is a status such as 404, a class of them such as "2xx", or several of these, not {part!r}'
    if isinstance(part, bool) or not isinstance(part, int | str):
        raise TypeError(msg)
    if isinstance(part, str) or not 100 <= part <= 599:
        raise ValueError(msg)
    return (int(part),)

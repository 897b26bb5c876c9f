"""What a test expects, held against what has come. Pure."""

from __future__ import annotations

import inspect
import re
from typing import Any

#: How much of an item or a pattern an error shows.
SHOWN = 200


def check(pattern: object) -> None:
    """Refuse what can be no pattern.

    Raises:
        TypeError: It is a plain class, to which no item is equal.
    """
    if isinstance(pattern, type) and type(pattern).__eq__ is type.__eq__:
        name = pattern.__name__
        msg = f"the class {name} is no pattern. Is `lambda item: isinstance(item, {name})` what you mean?"
        raise TypeError(msg)


def fits(pattern: Any, item: Any) -> bool:
    """Whether an item fits a pattern.

    Args:
        pattern: A compiled regular expression, which is searched for in text, or in bytes if it is one of bytes; a
            function, which is called with the item; or anything else: ``pattern == item``, in this order, so that the
            pattern's own ``__eq__`` decides.
        item: What has come. The text of an event is its data.

    Raises:
        TypeError: The function is an async one.
        BaseException: What the function, or the comparison, raises.
    """
    if isinstance(pattern, re.Pattern):
        text = getattr(item, "data", item)
        return isinstance(text, type(pattern.pattern)) and pattern.search(text) is not None
    if callable(pattern) and not isinstance(pattern, type):
        verdict = pattern(item)
        if inspect.iscoroutine(verdict):
            verdict.close()
            msg = f"{described(pattern)} is an async function. A pattern is a plain one: it is called, and not awaited"
            raise TypeError(msg)
        return bool(verdict)
    return bool(pattern == item)


def described(pattern: Any) -> str:
    """Say, for an error, what was expected."""
    if inspect.isfunction(pattern):
        return f"{pattern.__qualname__}()"
    return shown(pattern)


def shown(item: object) -> str:
    """Return an item as an error shows it."""
    text = repr(item)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters in all)"

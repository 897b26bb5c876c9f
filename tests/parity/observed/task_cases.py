"""In which task and context the app is called."""

from __future__ import annotations

import asyncio
import sys
from contextvars import ContextVar

from .call import Call, answers, gate
from .case import READS, TWICE, Case, body, start
from .client import OPEN, Connect

VARIABLE: ContextVar[str] = ContextVar("variable", default="unset")

OVER_WEBSOCKET = (Connect(), Connect())

_tasks: dict[str, object] = {}


async def sets(call: Call) -> None:
    """Tell what the variable is, and set it."""
    call.tell(VARIABLE.get())
    VARIABLE.set("set")


async def same_task(call: Call) -> None:
    """Tell whether the app was called in this task before."""
    before, _tasks["last"] = _tasks.get("last"), asyncio.current_task()
    call.tell("the same task" if before is _tasks["last"] else "another task")


async def handling(call: Call) -> None:
    """Tell which exception is being handled."""
    call.tell(repr(sys.exception()))


async def keeps_the_scope(call: Call) -> None:
    """Change the scope, which the next request does not see."""
    call.tell(call.scope.get("mine", "unmarked"))
    call.scope["mine"] = "marked"


TASK_CASES = [
    Case("Tasks and contexts", "a variable that the request before has set", (sets, answers), TWICE),
    Case(
        "Tasks and contexts",
        "a variable that the connection before has set",
        (sets, answers),
        OVER_WEBSOCKET,
    ),
    Case("Tasks and contexts", "the task of the request before", (same_task, answers), TWICE),
    Case("Tasks and contexts", "the exception that is handled", (handling, answers)),
    Case("Tasks and contexts", "the scope of the request before", (keeps_the_scope, answers), TWICE),
    Case("Tasks and contexts", "the app runs on after its response", (start(), body(b"x"), gate), (*READS, OPEN)),
]

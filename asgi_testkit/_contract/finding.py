"""Finding: a place where an app and its document differ."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .._record.secrets import Secrets
from .validation import Problem

#: How much is shown of a value.
_LONGEST = 60


class Kind(Enum):
    """What differs."""

    CONTENT_TYPE = "content type"
    SCHEMA = "schema"
    PARAMETER = "parameter"
    REQUEST = "request body"
    STATUS = "undocumented status"

    @property
    def breaks_promise(self) -> bool:
        """Whether a client that believes the document gets something else."""
        return self in {Kind.CONTENT_TYPE, Kind.SCHEMA}


@dataclass(frozen=True, slots=True)
class Finding:
    """What differs, without what may be another thing each time. Two that are equal are the same.

    Attributes:
        kind: What differs.
        document: The title of the document.
        operation: Method and template.
        where: Which part of it: the status and the media type of a response, a parameter, or "body".
        path: Where in a body or a value, as a JSON path; "" for all of it.
        what: What is wrong.
    """

    kind: Kind
    document: str
    operation: str
    where: str
    path: str
    what: str

    @property
    def order(self) -> tuple[Any, ...]:
        """What findings are ordered by."""
        return [*Kind].index(self.kind), self.document, self.operation, self.where, self.path, self.what

    @property
    def advice(self) -> str:
        """Say what to change."""
        place = " -> ".join(self.where.split(" ", 1))
        match self.kind:
            case Kind.STATUS:
                return f"add {self.where} to its `responses`; in FastAPI: responses={{{self.where}: ...}}"
            case Kind.CONTENT_TYPE:
                return f"send one of those, or add it to responses -> {self.where.split(' ', 1)[0]} -> content"
            case Kind.SCHEMA:
                return f"send what the schema asks for, or change responses -> {place} -> schema"
            case Kind.PARAMETER:
                return f"refuse such a request, or change the parameter `{self.where}`"
            case _:
                return "refuse such a request, or change its `requestBody`"


@dataclass(slots=True)
class Sighting:
    """Where something was found.

    Attributes:
        test: The node id of a test in which it is to be seen: of several, the first in the order of the alphabet.
        shown: What was there, shortened, and without secrets.
        count: How often it was seen.
    """

    test: str
    shown: str
    count: int = 1

    def add(self, other: Sighting) -> None:
        """Take another one into account."""
        if other.test < self.test:
            self.test, self.shown = other.test, other.shown
        self.count += other.count


def json_path(path: Iterable[str | int]) -> str:
    """Return where something is in a body; an element of an array is any, or each would be a finding of its own."""
    text = "$"
    for part in path:
        if isinstance(part, int):
            text += "[*]"
        elif part.isidentifier():
            text += f".{part}"
        else:
            text += f"[{json.dumps(part)}]"
    return text


def shown(problem: Problem, secrets: Secrets) -> str:
    """Say what was there, shortened, and without secrets."""
    value = problem.value
    if isinstance(value, dict):
        return secrets.masked(_short(f"an object with {', '.join(map(str, value)) or 'nothing in it'}"))
    if isinstance(value, list):
        return f"an array of {len(value)}"
    names = [part for part in problem.path if isinstance(part, str)]
    if names and secrets.is_secret(names[-1]):
        return "***"
    return _short(secrets.masked(json.dumps(value, ensure_ascii=False)))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

"""One run over a suite: the steps, one after the other, and what they have come to."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import libcst as cst

from .awaiting import Awaiting
from .edits import Edits
from .files import File
from .moving import move
from .notes import Note, moved
from .source import Source
from .suite import Suite

Step = Callable[[Suite], Mapping[Source, Edits]]


@dataclass(eq=False)
class Result:
    """What has become of one file.

    Attributes:
        file: As it was read.
        text: What it is to be.
        notes: What a person has to think about, by the lines of `text`.
    """

    file: File
    text: str
    notes: list[Note] = field(default_factory=list)
    _source: Source | None = None

    @property
    def changed(self) -> bool:
        return self.text != self.file.text

    def parsed(self) -> Source | None:
        """Return the tree of the text; None if there is none, which is noted."""
        try:
            if self._source is None:
                self._source = Source(self.file.path.resolve(), self.text)
        except (cst.ParserSyntaxError, RecursionError) as error:
            line = error.raw_line if isinstance(error, cst.ParserSyntaxError) else 1
            note = Note(line, "the file was left alone: it is not Python that can be read")
            self.notes = [*self.notes, note] if note not in self.notes else self.notes
        return self._source

    def become(self, text: str) -> None:
        """Take another text."""
        self.text, self._source = text, None

    def notes_for(self, *, written: bool) -> list[Note]:
        """Return the notes by the lines of the file as it is in the end."""
        return sorted(self.notes if written else moved(self.notes, self.text, self.file.text))


def steps(*, to_async: bool = False, runner: str | None = None) -> list[Step]:
    """Return the steps that were asked for."""
    return [move, lambda suite: Awaiting(suite, runner).edits()] if to_async else [move]


def migrated(files: Sequence[File], steps: Sequence[Step]) -> list[Result]:
    """Return what the steps make of the files. Nothing is written."""
    results = [Result(file, file.text) for file in files]
    for step in steps:
        sources = {source: result for result in results if (source := result.parsed()) is not None}
        for source, edits in step(Suite(sources)).items():
            _apply(sources[source], edits)
    return results


def _apply(result: Result, edits: Edits) -> None:
    text = edits.applied() if edits else result.text
    if text != result.text:
        try:
            ast.parse(text)
        except SyntaxError as error:  # our own mistake, which must not get into anybody's file
            result.notes.append(
                Note(error.lineno or 1, f"the file was left alone: what was to come of it is not Python ({error.msg})")
            )
            return
    result.notes = moved([*result.notes, *edits.notes], result.text, text)
    if text != result.text:
        result.become(text)

"""What a person has to think about: a line of a file, and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True, order=True)
class Note:
    """A place that was left as it was, in whole or in part.

    Attributes:
        line: Of the text that the step has read; the first is 1.
        sentence: What to do, or to look at.
    """

    line: int
    sentence: str


def moved(notes: Sequence[Note], before: str, after: str) -> list[Note]:
    """Return the notes on `before` as notes on the lines of `after` that have come in place of theirs."""
    if before == after or not notes:
        return list(notes)
    old, new = before.splitlines(), after.splitlines()
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()

    places = {
        line: min(new_start + line - start, max(new_end - 1, new_start))
        for _, start, end, new_start, new_end in blocks
        for line in range(start, end)
    }
    return [Note(places.get(note.line - 1, 0) + 1, note.sentence) for note in notes]

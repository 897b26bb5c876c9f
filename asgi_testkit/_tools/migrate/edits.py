"""Changes to a tree: each is a function of one node, and all are made in one walk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import libcst as cst

from .notes import Note
from .source import Source

Replacement = cst.CSTNode | cst.RemovalSentinel | cst.FlattenSentinel[Any]


class Edits(cst.CSTTransformer):
    """What one step wants to change in one file, and what it has to say.

    Attributes:
        source: The file.
        moved: References to something imported, and the full name of what they are to refer to from now on.
        gone: References that stand in code which is taken out.
        needed: Full names that new code refers to, as ``pytest``, or by their last part, as ``litestar.Litestar``.
        notes: What a person has to think about.
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self.moved: dict[cst.CSTNode, str] = {}
        self.gone: set[cst.CSTNode] = set()
        self.needed: set[str] = set()
        self.notes: list[Note] = []
        self._going: list[cst.SimpleStatementLine] = []
        self._behind: list[tuple[cst.CSTNode | None, cst.BaseStatement]] = []
        self._changes: defaultdict[cst.CSTNode, list[Callable[[Any], Replacement]]] = defaultdict(list)

    def __bool__(self) -> bool:
        return bool(self._changes or self.moved or self.gone or self.needed)

    def change(self, node: cst.CSTNode, to: Callable[[Any], Replacement]) -> None:
        """Put in place of `node` what `to` returns, which is given the node as other changes have left it."""
        self._changes[node].append(to)

    def remove(self, node: cst.CSTNode) -> None:
        """Take `node` out, with all references in it."""
        self.forget(node)
        self._changes[node].append(lambda _: cst.RemoveFromParent())

    def forget(self, node: cst.CSTNode) -> None:
        """Note that all references in `node` go out of the file."""
        self.gone.add(node)
        for child in node.children:
            self.forget(child)

    def goes(self, line: cst.SimpleStatementLine) -> None:
        """Note that a line goes, of which the comments above are to stay: above the next one that does."""
        self._going.append(line)

    def _keep_comments(self) -> None:
        for line in reversed(self._going):
            block = self.source.parent(line)
            lines: list[cst.CSTNode] = list(block.body) if isinstance(block, cst.Module | cst.IndentedBlock) else []
            after = lines[lines.index(line) + 1 :]
            comments = [each for each in line.leading_lines if each.comment is not None]
            for follower in [each for each in after if each not in self._going][: bool(comments)]:
                self.change(follower, partial(_below, comments=comments))

    def beside(self, line: cst.CSTNode | None, statement: cst.BaseStatement) -> None:
        """Put a statement behind a line of the module, whatever becomes of that; at the top, if there is none."""
        self._behind.append((line, statement))

    def note(self, node: cst.CSTNode, sentence: str) -> None:
        note = Note(self.source.line(node), sentence)
        if note not in self.notes:
            self.notes.append(note)

    def applied(self) -> str:
        """Return the text of the file with all changes made."""
        self._keep_comments()
        changed = self.source.module.visit(self)
        assert isinstance(changed, cst.Module)
        return changed.code

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        for to in self._changes.get(original_node, ()):
            updated_node = to(updated_node)
        behind = [statement for line, statement in self._behind if line is original_node]
        if behind:
            gone = isinstance(updated_node, cst.RemovalSentinel)
            now = updated_node if isinstance(updated_node, cst.FlattenSentinel) else [] if gone else [updated_node]
            return cst.FlattenSentinel([*now, *behind])
        return _never_empty(updated_node)


def _below(node: Any, comments: list[cst.EmptyLine]) -> Any:
    """Return a line, or lines in place of it, with comments above."""
    first, *others = node if isinstance(node, cst.FlattenSentinel) else [node]
    return cst.FlattenSentinel([first.with_changes(leading_lines=[*comments, *first.leading_lines]), *others])


def _never_empty(node: Any) -> Any:
    """Put ``pass`` into a block from which all statements were taken."""
    if isinstance(node, cst.IndentedBlock) and not node.body:
        return node.with_changes(body=[cst.SimpleStatementLine([cst.Pass()])])
    if isinstance(node, cst.SimpleStatementSuite) and not node.body:
        return node.with_changes(body=[cst.Pass()])
    if isinstance(node, cst.SimpleStatementLine) and not node.body:
        return cst.RemoveFromParent()
    return node


def dotted(name: str) -> cst.Name | cst.Attribute:
    """Return the expression ``a.b.c``."""
    expression = cst.parse_expression(name)
    assert isinstance(expression, cst.Name | cst.Attribute)
    return expression

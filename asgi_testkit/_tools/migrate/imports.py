"""Import statements, once it is known which references go elsewhere."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from .bindings import Binding, ImportStatement, aliases_of, bindings, links, module_of
from .edits import Edits, dotted
from .names import EVERYWHERE, OF_EACH_LIBRARY, ours

Body = cst.Module | cst.BaseSuite

#: What import statements stand in, one or several.
Line = cst.SimpleStatementLine | cst.SimpleStatementSuite

#: A name, and what it is to be called here; None for the same.
Import = tuple[str, str | None]


@dataclass
class Block:
    """What becomes of the import statements of one block of code.

    Attributes:
        touched: The statements that names came from, by which ours are to stand.
        dropped: The parts that go.
        names: What is to be imported from which module.
        modules: What is to be imported as a whole.
    """

    touched: list[ImportStatement] = field(default_factory=list)
    dropped: set[cst.ImportAlias] = field(default_factory=set)
    names: defaultdict[str, set[Import]] = field(default_factory=lambda: defaultdict(set))
    modules: set[str] = field(default_factory=set)


def settle(edits: Edits) -> None:
    """Bring the imports of a file in line with what its other edits refer to."""
    _Settling(edits).settle()


class _Settling:
    def __init__(self, edits: Edits) -> None:
        self._edits = edits
        self._source = edits.source
        self._bindings = bindings(edits.source)
        self._blocks: defaultdict[Body, Block] = defaultdict(Block)

    def settle(self) -> None:
        for binding in self._bindings:
            self._binding(binding)
        for full in sorted(self._edits.needed):
            module, _, name = full.rpartition(".")
            self._want(self._blocks[self._source.module], module, (name, None))
        for body, block in self._blocks.items():
            self._block(body, block)

    def _binding(self, binding: Binding) -> None:
        """Find out whether anybody still refers to this name, and what is to be imported in its place."""
        if not binding.references:
            if target := unused(binding):  # for others to import, or for nobody
                self._place(binding, target, wholly=True, direct=True)
                self._of(binding).dropped.add(binding.alias)
            return
        gone = self._edits.gone
        moved = {
            link: self._edits.moved[link]
            for node in binding.references
            for link in links(node)
            if link in self._edits.moved and link not in gone
        }
        kept = [node for node in binding.references if not any(link in moved or link in gone for link in links(node))]
        direct = not any(isinstance(node, cst.Attribute) for node in moved)
        for target in sorted(set(moved.values())):
            new = self._place(binding, target, wholly=not kept and len(set(moved.values())) == 1, direct=direct)
            for node, to in moved.items():
                if to == target and new is not None:
                    self._refer(node, binding, new)
        if not kept:
            self._of(binding).dropped.add(binding.alias)

    def _place(self, binding: Binding, target: str, *, wholly: bool, direct: bool) -> str | None:
        """Have `target` imported where `binding` is. Return what to call it there; None if references may stay."""
        module, _, name = target.rpartition(".")
        block = self._of(binding)
        if direct and wholly and (binding.alias.asname is not None or name == binding.local):
            block.names[module].add((name, binding.local if binding.local != name else None))
            return None
        if direct and self._is_free(name, target):
            block.names[module].add((name, None))
            return name
        block.modules.add(module)
        return target

    def _is_free(self, name: str, target: str) -> bool:
        """Whether all that has this name in the file is, or becomes, what is to have it."""
        holders = [binding for binding in self._bindings if binding.local == name]
        if holders:
            return all(self._becomes(holder) == target for holder in holders)
        return not self._source.is_bound(name)

    def _becomes(self, binding: Binding) -> str | None:
        """Return what a name stands for when all is done; None if for two things, or nothing."""
        left = [node for node in binding.references if node not in self._edits.gone]
        found = {self._edits.moved.get(node, binding.full) for node in left}
        return found.pop() if len(found) == 1 else None if binding.references else unused(binding) or binding.full

    def _refer(self, node: cst.CSTNode, binding: Binding, new: str) -> None:
        if isinstance(node, cst.SimpleString):
            word = re.compile(rf"\b{re.escape(binding.local)}\b")
            self._edits.change(node, lambda text: text.with_changes(value=word.sub(new, text.value)))
        else:
            self._edits.change(node, lambda _: dotted(new))

    def _of(self, binding: Binding) -> Block:
        """Return the block that the statement of a binding stands in."""
        body = next(node for node in self._source.ancestors(binding.statement) if isinstance(node, Body))
        block = self._blocks[body]
        if binding.statement not in block.touched:
            block.touched.append(binding.statement)
        return block

    def _want(self, block: Block, module: str, name: Import) -> None:
        if module:
            block.names[module].add(name)
        else:
            block.modules.add(name[0])

    def _block(self, body: Body, block: Block) -> None:
        """Have the statements of a block say what was found out."""
        lines: list[Line] = [line for line in body.body if isinstance(line, cst.SimpleStatementLine)]
        if isinstance(body, cst.SimpleStatementSuite):  # try: import this
            lines = [body]
        statements = [small for line in lines for small in line.body if isinstance(small, ImportStatement)]
        added: dict[ImportStatement, set[Import]] = {}
        for statement in statements:
            if isinstance(statement, cst.ImportFrom) and aliases(statement):
                added[statement] = block.names.pop(module_of(statement), set())
            elif isinstance(statement, cst.Import):
                there = {_pair(each)[0]: each for each in statement.names if each.asname is None}
                block.dropped -= {each for module, each in there.items() if module in block.modules}
                block.modules -= set(there)
        new: list[ImportStatement] = [_import(module) for module in sorted(block.modules)]
        new += [_import_from(module, names) for module, names in sorted(block.names.items()) if names]
        first = block.touched[0] if block.touched else statements[-1] if statements else None
        if new and first is None:
            self._at_the_top(new)
        for line in lines:
            own = [small for small in line.body if isinstance(small, ImportStatement)]
            if any(small in block.touched or added.get(small) or small is first for small in own):
                self._line(line, block, added, new if first in line.body else [])

    def _line(
        self,
        line: Line,
        block: Block,
        added: dict[ImportStatement, set[Import]],
        new: list[ImportStatement],
    ) -> None:
        """Have a line say what is left of its statements, and what is new beside it, in the order of isort."""
        left: list[cst.BaseSmallStatement] = []
        for each in line.body:
            now = _without(each, block.dropped, added.get(each, set())) if isinstance(each, ImportStatement) else each
            left += [] if now is None else [now]
        before = [each for each in new if left and _module(each) < _module(left[0])]
        texts: list[list[cst.BaseSmallStatement]] = [[each] for each in before]
        texts += [left] if left else []
        texts += [[each] for each in new if each not in before]

        def changed(node: Line) -> Any:
            if isinstance(node, cst.SimpleStatementSuite):
                return node.with_changes(body=[each for text in texts for each in text])
            if not texts:
                return cst.RemoveFromParent()
            head, *others = texts
            rest = [cst.SimpleStatementLine(each) for each in others]
            return cst.FlattenSentinel([node.with_changes(body=head), *rest])

        self._edits.change(line, changed)
        if not texts and isinstance(line, cst.SimpleStatementLine):
            self._edits.goes(line)

    def _at_the_top(self, new: list[ImportStatement]) -> None:
        """Put import statements into a file that has none."""
        docstring = self._source.module.get_docstring() is not None
        lines = [cst.SimpleStatementLine([each]) for each in new]
        self._edits.change(
            self._source.module,
            lambda module: module.with_changes(body=[*module.body[:docstring], *lines, *module.body[docstring:]]),
        )


def aliases(statement: ImportStatement) -> list[cst.ImportAlias]:
    return list(aliases_of(statement))


def unused(binding: Binding) -> str | None:
    """Return what is ours in place of a name that nobody in the file refers to; None if that is no business of ours."""
    name = EVERYWHERE.get(binding.full)
    library = binding.full.partition(".")[0]
    return name and ours(name, library if library == "httpx2" and name in OF_EACH_LIBRARY else "httpx")


def _without(
    statement: ImportStatement, dropped: Iterable[cst.ImportAlias], added: set[Import]
) -> ImportStatement | None:
    """Return the statement without some of its parts and with others; None if nothing is left."""
    old = aliases(statement)
    left = [alias for alias in old if alias not in dropped]
    more = added - {_pair(alias) for alias in left}
    if len(left) == len(old) and not more:
        return statement
    if not left and not more:
        return None
    last = old[-1].comma
    if more:
        left = sorted([*left, *map(_alias, sorted(more, key=str))], key=lambda alias: _pair(alias)[0])
    between = next((alias.comma for alias in old[:-1]), cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")))
    parts = [alias.with_changes(comma=between) for alias in left[:-1]]
    return statement.with_changes(names=[*parts, left[-1].with_changes(comma=last)])


def _pair(alias: cst.ImportAlias) -> Import:
    name = cst.Module([]).code_for_node(alias.name)
    return name, None if alias.asname is None else cst.Module([]).code_for_node(alias.asname.name)


def _alias(name: Import) -> cst.ImportAlias:
    asname = None if name[1] is None else cst.AsName(cst.Name(name[1]))
    return cst.ImportAlias(cst.Name(name[0]), asname=asname)


def _import_from(module: str, names: set[Import]) -> cst.ImportFrom:
    parts = [_alias(name) for name in sorted(names, key=str)]
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    return cst.ImportFrom(dotted(module), [*(part.with_changes(comma=comma) for part in parts[:-1]), parts[-1]])


def _import(module: str) -> cst.Import:
    return cst.Import([cst.ImportAlias(dotted(module))])


def _module(statement: cst.BaseSmallStatement) -> tuple[int, str]:
    """Return what import statements are sorted by: those of whole modules first, and what is no import last."""
    if isinstance(statement, cst.ImportFrom):
        return 1, module_of(statement)
    return (0, _pair(aliases(statement)[0])[0]) if isinstance(statement, cst.Import) else (2, "")

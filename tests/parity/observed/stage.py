"""Where both ends of a case meet: the app tells its story here, and the client opens the gate that the app waits at."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

#: Seconds between two looks at what comes from another process.
GLANCE = 0.005


class Stage(ABC):
    """Where both ends of a case meet. The app's end tells what happens, the client's end reads it.

    Attributes:
        patience: Seconds until what has not happened is taken for what will not happen.
    """

    patience: float

    # The app's end

    @abstractmethod
    def note(self, kind: str, what: str = "") -> None:
        """Write down that the app was called, is about to do something, has done it, or has ended.

        Args:
            kind: One of "called", "at", "told" and "ended".
            what: What it is about to do, or how that is told.
        """

    @abstractmethod
    def is_open(self) -> bool:
        """Whether the client has opened the gate."""

    async def gate(self) -> bool:
        """Wait at the gate. Return whether it was opened."""
        return await self._until(self.is_open)

    # The client's end

    @abstractmethod
    def open(self) -> None:
        """Open the gate."""

    @abstractmethod
    def notes(self) -> list[tuple[str, str]]:
        """Return what the app's end has written down."""

    async def heard(self, token: str) -> bool:
        """Wait until the app has told `token`. Return whether it has."""
        return await self._until(lambda: ("told", token) in self.notes())

    async def story(self) -> str:
        """Wait until the app has ended, every time that it was called, and return what it has told."""
        await self._until(self._ended)
        notes = self.notes()
        told = [what for kind, what in notes if kind == "told"]
        if not notes:
            told.append("not called")
        elif not self._ended():
            last, what = notes[-1]
            told.append(f"{what} waits" if last == "at" else "runs on")
        return " ".join(told)

    def _ended(self) -> bool:
        kinds = [kind for kind, _ in self.notes()]
        return kinds.count("ended") == kinds.count("called") > 0

    async def _until(self, condition: object) -> bool:
        assert callable(condition)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience
        while not condition():
            if loop.time() > deadline:
                return False
            await asyncio.sleep(GLANCE)
        return True


class HereStage(Stage):
    """Where both ends are in the same process."""

    def __init__(self, patience: float = 1.0) -> None:
        self.patience = 0.1 * patience
        self._notes: list[tuple[str, str]] = []
        self._open = False

    def note(self, kind: str, what: str = "") -> None:
        self._notes.append((kind, what))

    def is_open(self) -> bool:
        return self._open

    def open(self) -> None:
        self._open = True

    def notes(self) -> list[tuple[str, str]]:
        return self._notes

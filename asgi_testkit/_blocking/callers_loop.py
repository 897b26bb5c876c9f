"""The event loop that a blocking call inside an app is to be answered in: the app's own, if that can be."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue

from .._conversation import causes
from .._conversation.loop import HomeLoop
from .hop import LOOK_INTERVAL, ThreadHop


class HopIntoApps(ThreadHop):
    """Calls into a loop that apps run in, which is not ours, and may end at any time."""

    def __init__(self, home: HomeLoop) -> None:
        """Prepare it; `home` is the loop, and this its thread."""
        super().__init__()
        self._home = home

    def is_into(self, home: HomeLoop) -> bool:
        """Whether it leads into this loop."""
        return self._home.is_same_as(home)

    @property
    def lost(self) -> bool:
        """Whether the loop can answer no more."""
        return super().lost or self._home.ended

    @property
    def ended(self) -> bool:
        """Whether the loop has ended, or is about to."""
        return super().ended or self._home.ended


class CallersLoops:
    """The ways into the loops of apps that have been asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hops: list[HopIntoApps] = []

    def hop(self) -> ThreadHop:
        """Return the way into the loop that a request of this thread is to be answered in.

        The app that the thread works for shares its loop with those that it asks, unless that stands still: because it
        waits for this very thread, or is this thread. Otherwise it is the loop that clients share outside of ``with``;
        if that stands still as well, another one.
        """
        from .loop import shared_loops

        cause = causes.current()
        home = None if cause is None else cause.home
        if home is None:
            return shared_loops.get("asyncio", {}, from_within=False).hop
        hop = self._into(home)
        if hop is None or hop.here or hop.blocked or hop.ended:
            return shared_loops.get(home.backend, {}, from_within=False).hop
        return hop

    def _into(self, home: HomeLoop) -> HopIntoApps | None:
        """Return the way into a loop; None if it stands still."""
        with self._lock:
            self._hops = [hop for hop in self._hops if not hop.ended]
            known = next((hop for hop in self._hops if hop.is_into(home)), None)
        if known is not None or home.runs_here:
            return known
        made: SimpleQueue[HopIntoApps] = SimpleQueue()
        try:
            home.soon(lambda: made.put(HopIntoApps(home)))
            hop = made.get(timeout=LOOK_INTERVAL)
        except (RuntimeError, Empty):  # it has ended, or stands still
            return None
        with self._lock:
            self._hops.append(hop)
        return hop


callers_loops = CallersLoops()

"""Ctrl-C, from within a test."""

from __future__ import annotations

import signal
import threading

import anyio
import anyio.lowlevel


def press_ctrl_c() -> None:
    """Do what the terminal does: the main thread alone takes notice."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


async def sleep_through_ctrl_c(story: list[str]) -> None:
    """Press it, sleep until cancelled, take another round of the loop over that, and note the end in `story`."""
    press_ctrl_c()
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.lowlevel.checkpoint()
        story.append("ended")

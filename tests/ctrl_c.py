"""Ctrl-C, from within a test."""

from __future__ import annotations

import signal
import threading


def press_ctrl_c() -> None:
    """Do what the terminal does: the main thread alone takes notice."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

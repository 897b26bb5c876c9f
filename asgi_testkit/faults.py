"""Faults on demand: what a network does to a server, for one request, a client, or a whole suite.

For one request, ``extensions={"asgi": {"faults": Disconnect(after_bytes=100)}}``; for a client, ``faults=Chaos(7)``.
"""

from __future__ import annotations

from ._protocol.faults import Chaos, Disconnect, DropWebSocket, Fault, MissingKeys, NoneKeys, SlowReader, SplitBody

__all__ = [
    "Chaos",
    "Disconnect",
    "DropWebSocket",
    "Fault",
    "MissingKeys",
    "NoneKeys",
    "SlowReader",
    "SplitBody",
]

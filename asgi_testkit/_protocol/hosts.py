"""Hosts by their names, as tests name them: a name, perhaps with a port, or ``*.`` and what a name ends with."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

#: A name, an address, or IPv6 in brackets; then a port.
_PATTERN = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^][\s:/@?#]+)(?::(?P<port>[0-9]{1,5}))?")

#: What a URL that names no port has.
DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class HostPattern(NamedTuple):
    """The hosts that a test means.

    Attributes:
        text: As it is written.
        name: In lower case: a name, ``*`` for any, or ``*.`` and the end of names.
        port: Of the URL; None for any.
    """

    text: str
    name: str
    port: int | None

    @property
    def weight(self) -> tuple[bool, int, bool]:
        """Which of several that fit is meant: the one with the greatest weight."""
        wild = self.name.startswith("*")
        return not wild, len(self.name) if wild else 0, self.port is not None

    def fits(self, names: Collection[str], port: int | None) -> bool:
        """Whether a host is among them that goes by these names, in lower case, at this port."""
        if self.port is not None and self.port != port:
            return False
        if self.name.startswith("*"):
            return any(name.endswith(self.name[1:]) for name in names)
        return self.name in names


def host_pattern(text: Any, argument: str) -> HostPattern:
    """Return the hosts that a text means; `argument` is what an error calls it.

    Raises:
        TypeError: It is no text.
        ValueError: It names no host.
    """
    if not isinstance(text, str):
        msg = f"{argument}: a host is a str such as 'auth.internal', not {text!r}"
        raise TypeError(msg)
    match = _PATTERN.fullmatch(text.lower())
    name = "" if match is None else match["name"].strip("[]").removesuffix(".")
    wild = "*" in name and (name.count("*") > 1 or not (name == "*" or name.startswith("*.")))
    if match is None or not name or wild:
        msg = (
            f"{argument}: {text!r} names no host. Write 'auth.internal', or 'auth.internal:8080' for one port, "
            "'*.internal' for all that end so, '*' for all, '[::1]' for IPv6; without http:// and without a path"
        )
        raise ValueError(msg)
    return HostPattern(text, name, None if match["port"] is None else int(match["port"]))

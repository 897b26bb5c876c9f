"""The seed by which the faults of a run are drawn."""

from __future__ import annotations

import pytest

#: The option, and the setting of the same meaning.
OPTION = "--asgi-chaos"
INI = "asgi_chaos"


def add_options(parser: pytest.Parser) -> None:
    """Add both."""
    does = "split bodies, leave out optional keys and read slowly, for all clients, as this seed draws it"
    parser.getgroup("asgi-testkit").addoption(OPTION, metavar="SEED", type=int, default=None, help=does)
    parser.addini(INI, f"{does}: an int; as {OPTION}", default="")


def seed_of(config: pytest.Config) -> int | None:
    """Return the seed; None for no faults.

    Raises:
        pytest.UsageError: The setting is no int.
    """
    seed: int | None = config.getoption(OPTION)
    text = config.getini(INI)
    if seed is not None or not text:
        return seed
    try:
        return int(text)
    except ValueError:
        msg = f"{INI} is an int, not {text!r}"
        raise pytest.UsageError(msg) from None


def header(config: pytest.Config) -> list[str]:
    """Say what the seed is."""
    seed = seed_of(config)
    return [] if seed is None else [f"asgi-testkit: faults are drawn by the seed {seed} ({OPTION}={seed})"]


def node_id_of(item: pytest.Item) -> str:
    """Return the node id of a test, without the group that a worker of pytest-xdist adds to it."""
    group = item.get_closest_marker("xdist_group")
    if group is None or not hasattr(item.config, "workerinput"):
        return item.nodeid
    name = group.args[0] if group.args else group.kwargs.get("name", "default")
    return item.nodeid.removesuffix(f"@{name}")

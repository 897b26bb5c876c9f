"""Sphinx: built offline, with every warning an error (`nox -s docs`)."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import asgi_testkit
from asgi_testkit._protocol import http as _http_state
from asgi_testkit._protocol import lifespan as _lifespan_state
from asgi_testkit._protocol import websocket as _websocket_state

project = "asgi-testkit"
author = "asgi-testkit contributors"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name for it
release = version = asgi_testkit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = project

myst_enable_extensions = ["colon_fence", "deflist", "substitution"]
myst_heading_anchors = 3


def table(transitions: Mapping[Any, Mapping[Any, Enum]]) -> str:
    """Return a protocol's table in Markdown: a row for each state, and what is legal there."""
    rows = ["| while | legal | then |", "|---|---|---|"]
    for state, legal in transitions.items():
        cells = [f"`{event.value}`" for event in legal], [after.value for after in legal.values()]
        rows.append(f"| {state.value} | {'<br>'.join(cells[0]) or 'nothing'} | {'<br>'.join(cells[1])} |")
    return "\n".join(rows)


# {{ http_protocol }} on a page is the table that the code goes by.
myst_substitutions = {
    "http_protocol": table(_http_state.TRANSITIONS),
    "websocket_protocol": table(_websocket_state.TRANSITIONS),
    "lifespan_protocol": table(_lifespan_state.TRANSITIONS),
}

# The public names are documented, and linked, where users import them from, not where they are defined.
for name in asgi_testkit.__all__:
    if isinstance(getattr(asgi_testkit, name), type):
        getattr(asgi_testkit, name).__module__ = asgi_testkit.__name__
autodoc_type_aliases = {name: f"asgi_testkit.{name}" for name in ("ASGIApp", "Message", "Receive", "Scope", "Send")}

autoclass_content = "both"  # the docstring of __init__, too: it says what the arguments mean
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# No inventories are fetched, so names from outside cannot be looked up; our own have to be right.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(anyio|collections|concurrent|contextlib|http|httpx|httpx2|ssl|types|typing)\..*")]
nitpick_ignore = [
    ("py:class", "BlockingPortal"),  # anyio's, imported for type checkers only
    ("py:class", "asgi_testkit._client.transport.AppTransport"),  # what an ASGITransport of either library is
    ("py:class", "asgi_testkit._types.SingleCallable"),  # what an ASGIApp is inside
    ("py:class", "asgi_testkit._client.options.SendOptions"),  # told beside **options
    # These are told in words beside each argument.
    *(
        ("py:class", name)
        for name in (
            "Address",
            "Background",
            "ClientOptions",
            "CookieTypes",
            "GivenFaults",
            "LifespanMode",
            "ServerFactory",
            "ServerName",
        )
    ),
    # Those of the HTTP library.
    *(("py:class", f"asgi_testkit._client.library.{name}") for name in ("Cookies", "Request", "URL")),
    ("py:class", "URL"),
    ("py:class", "tls.SSLContext"),  # where ssl is the name of an argument
]


def leave_out_what_a_union_says_of_itself(_app: object, what: str, *others: Any) -> None:
    """Drop the docstring of a type alias, which is that of its class; what it means is written in reference.md."""
    if what in {"data", "type"}:
        *_, lines = others
        lines.clear()


def setup(app: Any) -> None:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", leave_out_what_a_union_says_of_itself)

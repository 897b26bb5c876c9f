"""Sphinx: built offline, with every warning an error (`nox -s docs`)."""

import asgi_testkit

project = "asgi-testkit"
author = "asgi-testkit contributors"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name for it
release = version = asgi_testkit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = project

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# The public names are documented, and linked, where users import them from, not where they are defined.
for name in asgi_testkit.__all__:
    if isinstance(getattr(asgi_testkit, name), type):
        getattr(asgi_testkit, name).__module__ = asgi_testkit.__name__
autodoc_type_aliases = {name: f"asgi_testkit.{name}" for name in ("ASGIApp", "Message", "Receive", "Scope", "Send")}

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# No inventories are fetched, so names from outside cannot be looked up; our own have to be right.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(anyio|collections|contextlib|http|httpx|ssl|types|typing)\..*")]
nitpick_ignore = [
    ("py:class", "BlockingPortal"),  # anyio's, imported for type checkers only
    ("py:class", "asgi_testkit._types.SingleCallable"),  # what an ASGIApp is inside
]

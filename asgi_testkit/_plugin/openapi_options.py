"""The options and settings of ``--asgi-openapi``: what a run is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import pytest

#: The setting for what is done, and its values.
MODE = "asgi_openapi_mode"
MODES = ("off", "report", "fail")

#: The settings for the document, and for what is known.
DOCUMENT = "asgi_openapi"
BASELINE = "asgi_openapi_baseline"

#: What the run registers its hooks as.
NAME = "asgi_testkit_openapi"


@dataclass(frozen=True)
class Asked:
    """What a run is asked for.

    Attributes:
        fails: Whether it fails by what breaks the document's promises.
        document: Where the document is; "" for the app's own.
        baseline: The file of what is known; "" for none.
        json, markdown: Files to be written; None for none.
    """

    fails: bool
    document: str
    baseline: str
    json: str | None
    markdown: str | None


def add_options(parser: pytest.Parser) -> None:
    """Add them."""
    group = parser.getgroup("asgi-testkit")
    does = "hold what apps answer against their OpenAPI documents, and report where they differ"
    group.addoption("--asgi-openapi", action="store_true", default=False, help=does)
    fails = "the same, and fail if a response has another schema or content type than its document says"
    group.addoption("--asgi-openapi-fail", action="store_true", default=False, help=fails)
    known = "the same, without what is in this file, which --asgi-openapi-json of an earlier run has written"
    group.addoption("--asgi-openapi-baseline", metavar="PATH", default=None, help=known)
    writes = "the same, and write all of it into this file, as JSON"
    group.addoption("--asgi-openapi-json", metavar="PATH", default=None, help=writes)
    writes = "the same, and append a table of it to this file, as Markdown, for the summary of a CI"
    group.addoption("--asgi-openapi-markdown", metavar="PATH", default=None, help=writes)
    parser.addini(MODE, f"{does}: {', '.join(MODES)}; as --asgi-openapi and --asgi-openapi-fail", default="off")
    parser.addini(
        DOCUMENT, "the OpenAPI document, if not the app's own: a file of JSON, or module:function", default=""
    )
    parser.addini(BASELINE, f"{known}; as --asgi-openapi-baseline", default="")


def asked(config: pytest.Config) -> Asked | None:
    """Return what a run is asked for; None for nothing.

    Raises:
        pytest.UsageError: A setting has no such value.
    """
    mode = config.getini(MODE)
    if mode not in MODES:
        msg = f"{MODE} is one of {', '.join(MODES)}, not {mode!r}"
        raise pytest.UsageError(msg)
    option = config.option
    files = (option.asgi_openapi_baseline, option.asgi_openapi_json, option.asgi_openapi_markdown)
    fails = option.asgi_openapi_fail or mode == "fail"
    if not (fails or option.asgi_openapi or mode == "report" or any(files)):
        return None
    return Asked(
        fails=fails,
        document=config.getini(DOCUMENT),
        baseline=option.asgi_openapi_baseline or config.getini(BASELINE),
        json=option.asgi_openapi_json,
        markdown=option.asgi_openapi_markdown,
    )


def begin(config: pytest.Config) -> None:
    """Begin what the run is asked for, if it is. It ends with the configuration.

    Raises:
        pytest.UsageError: What it takes is not installed, or not there.
    """
    wanted = asked(config)
    if wanted is None:
        return
    if find_spec("jsonschema_rs") is None:
        msg = (
            "--asgi-openapi takes the package jsonschema-rs, which is not installed: pip install asgi-testkit[openapi]"
        )
        raise pytest.UsageError(msg)
    from .openapi import OpenAPI

    run = OpenAPI(wanted, config.rootpath)
    config.pluginmanager.register(run, NAME)
    config.add_cleanup(run.end)

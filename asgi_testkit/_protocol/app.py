"""Finds an app by its name, and makes an ASGI 3 application of any ASGI callable, or refuses what is none."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any, cast

from .._errors import ASGIProtocolError
from .._types import ASGIApp, Receive, Scope, Send, SingleCallable


def as_single_callable(app: ASGIApp) -> SingleCallable:
    """Return `app` as an ASGI 3 callable, ``await app(scope, receive, send)``.

    Functions, methods, partials, instances with ``__call__`` and classes whose instances are awaitable are taken as
    they are; the double callable of ASGI 2, ``await app(scope)(receive, send)``, is adapted.

    Raises:
        TypeError: `app` is not callable, is a WSGI application, or takes other arguments than an ASGI application.
    """
    if not callable(app):
        msg = f"app must be an ASGI application, a callable of (scope, receive, send), not {app!r}"
        raise TypeError(msg)
    # The common forms are known by their code alone: reading a signature takes longer than a whole request.
    asynchronous = inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__)
    if asynchronous:
        code = getattr(app, "__code__", None) or getattr(type(app).__call__, "__code__", None)
        if code is not None and code.co_argcount - (not inspect.isfunction(app)) == 3 and not code.co_kwonlyargcount:
            return cast("SingleCallable", app)
    try:
        signature = inspect.signature(app)
    except ValueError:  # a builtin that does not tell: the first request will
        return CheckedCallable(app)
    if _takes(signature, 3):
        return CheckedCallable(app)
    if _takes(signature, 1) and not asynchronous:
        return DoubleCallable(app)
    if _takes(signature, 2) and not asynchronous:
        msg = (
            f"{app!r} looks like a WSGI application (it takes two arguments, environ and start_response). "
            "Wrap it: a2wsgi.WSGIMiddleware(app) makes an ASGI application of it."
        )
        raise TypeError(msg)
    msg = f"app must be an ASGI application, a callable of (scope, receive, send); {app!r} takes {signature}"
    raise TypeError(msg)


class NoSuchAppError(LookupError):
    """There is no app of this name."""


def app_named(name: str, *, hint: str = "") -> Any:
    """Return the app of a name: ``module:attribute``, or ``module:factory()``, which is called.

    Args:
        name: The name.
        hint: What an error says besides of a module that is not found.

    Raises:
        NoSuchAppError: There is none.
        Exception: What the module raises when it is imported, or the factory, as it is.
    """
    module, colon, attribute = name.removesuffix("()").partition(":")
    if not (module and colon and attribute):
        msg = f"{name}: an app is named module:attribute, or module:factory()"
        raise NoSuchAppError(msg)
    try:
        app: Any = import_module(module)
    except ModuleNotFoundError as error:
        msg = f"{name}: {error}. Is its folder on sys.path? {hint}".rstrip()
        raise NoSuchAppError(msg) from error
    try:
        for part in attribute.split("."):
            app = getattr(app, part)
    except AttributeError as error:
        msg = f"{name}: {error}"
        raise NoSuchAppError(msg) from None
    return app() if name.endswith("()") else app


def name_of(app: Any) -> str:
    """Return what an app is called in a text: ``<FastAPI 'shop'>``, say."""
    title = getattr(app, "title", None)
    if isinstance(title, str):
        return f"<{type(app).__name__} {title!r}>"
    name = getattr(app, "__qualname__", None)
    return repr(app) if name is None else f"<{name}>"


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


class CheckedCallable:
    """A callable of three arguments that may not be asynchronous: checked when it is called."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> Any:
        awaitable = self._app(scope, receive, send)
        if not inspect.isawaitable(awaitable):
            msg = f"application returned {awaitable!r} instead of an awaitable. Is it an `async def`?"
            raise ASGIProtocolError(msg)
        return await awaitable


class DoubleCallable:
    """An ASGI 2 application, called as an ASGI 3 one (ASGI spec, "Legacy Applications")."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> Any:
        return await self._app(scope)(receive, send)

"""Which operation of its document a request is."""

from __future__ import annotations

from .document import Document, Operation, Template, shape_of
from .exchange import Exchange


def operation_of(document: Document, exchange: Exchange) -> tuple[Operation, str] | None:
    """Return the operation that a request is, and its path as the document has it; None if it is none.

    What the app says of the route that it took decides. One that has made its document and says nothing has not come so
    far: it has no such path, or redirects to another, or a middleware has answered; or the route is no operation.
    """
    if exchange.route is None and not document.given:
        return None
    if exchange.method == "OPTIONS" and "access-control-request-method" in exchange.headers:
        return None  # a preflight, which a middleware answers
    found = _template(document, exchange)
    if found is None:
        return None
    template, path = found
    operation = document.operations[template.text].get(exchange.method)
    return None if operation is None else (operation, path)


def _paths(document: Document, exchange: Exchange) -> list[str]:
    """Return what the path may be in the document: without that of the app, or of the server."""
    within = _without(exchange.path, exchange.root_path.rstrip("/"))
    if not document.given:
        return [within]
    shorter = [_without(path, prefix) for path in (exchange.path, within) for prefix in document.prefixes]
    return list(dict.fromkeys([exchange.path, within, *shorter]))


def _without(path: str, prefix: str) -> str:
    return path[len(prefix) :] or "/" if prefix and f"{path}/".startswith(f"{prefix}/") else path


def _template(document: Document, exchange: Exchange) -> tuple[Template, str] | None:
    """Return the template that the path fits, and the path; of several, the most concrete one."""
    # A router may not know the prefix that it was included with, and a document that was given may have other names.
    shape = shape_of(exchange.route or "")
    candidates = [each for each in document.templates if each.shape.endswith(shape)]
    paths = _paths(document, exchange)
    for slashes in (False, True):  # documents do not say which parameters may hold some
        fitting = [(each, path) for each in candidates for path in paths if each.match(path, slashes=slashes)]
        if fitting:
            by_names = [pair for pair in fitting if pair[0].names == exchange.parameters]
            return (by_names or fitting)[0]
    return None

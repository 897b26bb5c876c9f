"""Judge: holds an exchange against the document of its app."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any
from weakref import WeakSet

from .._protocol.app import name_of
from .._record.secrets import Secrets
from .acceptance import problems_of_request
from .document import Document, NoDocumentError, Operation, content_of
from .exchange import Exchange, pairs
from .finding import Finding, Kind, Sighting, json_path, shown
from .media import decoded, is_json, media_type, parsed, promise_for
from .operation import operation_of
from .origin import Documents
from .results import FAILED, Results
from .validation import NOTHING, Problem

#: Statuses whose responses have no body.
_WITHOUT_BODY = frozenset({204, 205, 304})


class Judge:
    """Judges exchanges, one by one."""

    def __init__(self, documents: Documents, results: Results) -> None:
        """Prepare: what is found is added to `results`."""
        self._documents = documents
        self._results = results
        self._noted: WeakSet[Document] = WeakSet()

    def judge(self, exchange: Exchange) -> None:
        """Judge an exchange. What goes wrong in that is noted, and not raised."""
        try:
            self._judge(exchange)
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]  # the text of an error may have a secret in it
            told = f"{type(error).__name__} in {at.name}, line {at.lineno} of {Path(at.filename).name}"
            self._results.troubles[f"a {exchange.method} could not be judged: {told}"] += 1

    def _judge(self, exchange: Exchange) -> None:
        counts = self._results.counts
        try:
            document = self._documents.of(exchange.app)
        except NoDocumentError as error:
            counts["without a document"] += 1
            self._results.troubles[f"{_name(exchange.app)} was not judged: {error}"] += 1
            return
        if document not in self._noted:
            self._noted.add(document)
            self._results.add_document(document)
        found = operation_of(document, exchange)
        if found is None:
            counts["of no operation"] += 1
            return
        operation, path = found
        if exchange.status is None or (exchange.raised and exchange.status >= 500):
            counts["failed"] += 1
            self._results.add_exercise(operation, FAILED)
            return
        counts["judged"] += 1
        _Case(self._results, exchange, operation).judge(path)


def _name(app: Any) -> str:
    return "an app that does not say in scope['app'] which it is" if app is None else name_of(app)


class _Case:
    """One exchange, and the operation that it is."""

    def __init__(self, results: Results, exchange: Exchange, operation: Operation) -> None:
        self._results = results
        self._exchange = exchange
        self._operation = operation
        self._status: int = exchange.status or 0

    def judge(self, path: str) -> None:
        exchange, operation = self._exchange, self._operation
        kind = media_type(exchange.response_headers)
        self._results.add_exercise(operation, f"{self._status} {kind}".rstrip())
        described = operation.response(self._status)
        if described is None:
            known = ", ".join(sorted(operation.responses)) or "none"
            self._find(Kind.STATUS, str(self._status), "", f"the document has {known}")
        else:
            self._judge_response(kind, *described)
        if 200 <= self._status < 300:
            problems = problems_of_request(operation, exchange, path)
            self._results.troubles.update(problems.troubles)
            for name, place, problem in problems.of_parameters:
                path = json_path(problem.path) if problem.path else ""
                named = problem._replace(path=(name, *problem.path))  # by which its value may be a secret
                self._find(Kind.PARAMETER, f"{name} in {place}", path, problem.what, named)
            for problem in problems.of_body:
                self._find_problem(Kind.REQUEST, "body", problem)

    def _judge_response(self, kind: str, status: str, response: dict[str, Any]) -> None:
        exchange, content = self._exchange, content_of(response)
        empty = exchange.response.whole and not exchange.response.size
        if not content or (empty and not kind):
            return
        promised = promise_for(kind, content)
        if promised is None:
            told = f"{kind or 'no content type'}, where the document has {', '.join(sorted(content))}"
            self._find(Kind.CONTENT_TYPE, str(self._status), "", told)
            return
        if exchange.method == "HEAD" or self._status in _WITHOUT_BODY or not is_json(kind):
            return
        schema = content[promised].get("schema") if isinstance(content[promised], dict) else None
        if schema is None:
            return
        body = exchange.response.content
        body = None if body is None else decoded(body, exchange.response_headers)
        if body is None:
            self._results.counts["with a body that was not judged"] += 1
            return
        where = f"{status} {promised}"
        try:
            value = parsed(body)
        except ValueError:
            self._find(Kind.SCHEMA, where, "$", "the body is empty" if not body else "the body is no JSON")
            return
        key = (self._operation.name, where)
        check = self._operation.document.check(key, schema, of_response=True)
        if isinstance(check, str):
            self._results.troubles[check] += 1
            return
        for problem in check.problems(value):
            self._find_problem(Kind.SCHEMA, where, problem)

    def _find_problem(self, kind: Kind, where: str, problem: Problem) -> None:
        path = "" if problem.value is NOTHING else json_path(problem.path)
        self._find(kind, where, path, problem.what, problem)

    def _find(self, kind: Kind, where: str, path: str, what: str, problem: Problem | None = None) -> None:
        operation = self._operation
        secrets = self._secrets()
        # Where a key, or what a document has as a constant, is what a request has as a secret.
        finding = Finding(kind, operation.document.title, operation.name, where, path, secrets.masked(what))
        value = "" if problem is None or problem.value is NOTHING else shown(problem, secrets)
        self._results.add_finding(finding, Sighting(self._exchange.test, value))

    def _secrets(self) -> Secrets:
        exchange, secrets = self._exchange, Secrets()
        secrets.add_query(exchange.query)
        for headers, body in (
            (exchange.headers, exchange.request),
            (exchange.response_headers, exchange.response),
        ):
            secrets.add_headers(pairs(headers))
            content = body.content
            content = None if content is None else decoded(content, headers)
            secrets.add_body(content or b"", media_type(headers))
        return secrets

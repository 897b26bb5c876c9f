"""Exchanges that took place nowhere, and documents for them, for tests of what is made of them."""

from __future__ import annotations

import json
from typing import Any

from asgi_testkit._contract.document import Document
from asgi_testkit._contract.exchange import Exchange
from asgi_testkit._contract.judge import Judge
from asgi_testkit._contract.origin import Documents
from asgi_testkit._contract.results import Results

JSON = "application/json"


def document(paths: Any, *, version: str = "3.1.0", given: bool = True, **more: Any) -> Document:
    return Document(
        {"openapi": version, "info": {"title": "shop", "version": "1"}, "paths": paths, **more}, given=given
    )


def answers(schema: Any, status: str = "200", kind: str = JSON) -> dict[str, Any]:
    """Return what a document says of an operation that answers with one schema."""
    return {"responses": {status: {"description": "", "content": {kind: {"schema": schema}}}}}


def exchange(target: str = "/", body: Any = None, status: int | None = 200, **more: Any) -> Exchange:
    """Return an exchange; a body is JSON unless it is bytes, and `sent` that of the request."""
    made = Exchange(more.pop("test", "test_it.py::test_it"))
    kind, sent, headers = more.pop("kind", JSON), more.pop("sent", b""), more.pop("headers", {})
    made.method = more.pop("method", "GET")
    made.path, _, query = target.partition("?")
    made.query = query.encode()
    made.headers = {name: [value] if isinstance(value, str) else value for name, value in headers.items()}
    made.status = status
    made.response_headers = {"content-type": [kind]} if kind else {}
    made.response_headers |= more.pop("response_headers", {})
    made.request.add({"body": sent if isinstance(sent, bytes) else json.dumps(sent).encode()})
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    made.response.add({"body": content, "more_body": more.pop("more_body", False)})
    for name, value in more.items():
        setattr(made, name, value)
    return made


def judged(against: Document | None, *exchanges: Exchange) -> Results:
    results = Results()
    judge = Judge(Documents(against), results)
    for each in exchanges:
        judge.judge(each)
    return results


def told(results: Results) -> list[str]:
    """Return the findings, each in a line."""
    return [
        f"{finding.kind.value}: {finding.operation} {finding.where} {finding.path} {sighting.shown}: {finding.what}"
        for finding, sighting in results.sorted_findings()
    ]


def wrong(schema: Any, body: Any, *, version: str = "3.1.0", **more: Any) -> list[str]:
    """Return what is wrong with the body of a response: where, what is there, and what is wrong."""
    results = judged(document({"/": {"get": answers(schema)}}, version=version, **more), exchange(body=body))
    assert not results.troubles
    return [f"{finding.path} = {sighting.shown}: {finding.what}" for finding, sighting in results.sorted_findings()]

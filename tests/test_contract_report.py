"""The results of a run as text, Markdown and JSON, and how those of several processes add up."""

from __future__ import annotations

import json

from asgi_testkit._contract.baseline import Baseline
from asgi_testkit._contract.finding import Finding, Kind, Sighting
from asgi_testkit._contract.report import markdown, text
from asgi_testkit._contract.results import Results

from .contracts import JSON, answers, document, exchange, judged

ANSWER = answers({"type": "integer"})["responses"]["200"]
BOTH = {"description": "", "content": {JSON: {}, "text/html": {}}}
SHOP = document(
    {
        "/": {
            "post": {
                "parameters": [{"name": "n", "in": "query", "schema": {"type": "integer"}}],
                "requestBody": {"content": {JSON: {"schema": {"type": "integer"}}}},
                "responses": {"200": ANSWER, "2XX": BOTH, "422": ANSWER, "default": ANSWER},
            },
            "get": {"responses": {"200": BOTH, "default": {}}},
        },
        **{f"/{n}": {"get": {}} for n in range(25)},
    }
)


def some() -> Results:
    return judged(
        SHOP,
        exchange("/?n=x", b'"a"', method="POST", sent=b'"b"', headers={"content-type": JSON}),
        exchange("/", b"", 201, method="POST", kind="text/plain"),
        exchange("/", 1),
        exchange("/0", 1, 404),
        exchange("/1", 1, 500, raised=True),
        exchange("/nowhere"),
    )


def test_each_kind_says_what_to_change() -> None:
    lines = text(some(), Baseline())
    for told in (
        "send one of those, or add it to responses -> 201 -> content",
        "send what the schema asks for, or change responses -> 200 -> application/json -> schema",
        "refuse such a request, or change the parameter `n in query`",
        "refuse such a request, or change its `requestBody`",
        "add 404 to its `responses`; in FastAPI: responses={404: ...}",
    ):
        assert sum(line.endswith(told) for line in lines) == 1
    assert "Requests that the app accepted, and the document does not allow: 2" in lines
    assert '  POST /  n in query = "x": it is not of type "integer"' in lines
    assert '  POST /  body $ = "b": it is not of type "integer"' in lines


def test_what_was_never_seen_is_told_in_short() -> None:
    lines = text(some(), Baseline())
    at = lines.index("Operations that were never exercised: 23")
    assert lines[at + 1] == "  GET /10  (shop 1)"
    assert lines[at + 21] == "  ... and 3 more"
    assert "  GET /: 200 text/html, default  (shop 1)" in lines
    assert "  POST /: 2XX application/json, 2XX text/html, default  (shop 1)" in lines
    assert "exchanges: 4 judged, 1 of no operation, 1 failed" in lines


def test_nothing_is_a_report_too() -> None:
    assert text(Results(), Baseline()) == ["exchanges: none"]
    assert markdown(Results(), Baseline()).endswith("\nNo differences between the app and its document.\n")


def test_a_table_holds_whatever_is_in_its_cells() -> None:
    results = Results()
    finding = Finding(Kind.SCHEMA, "shop", "GET /a|b", "200 application/json", "$", "it is `wrong`\nand <b>")
    results.add_finding(finding, Sighting("test_a", ""))
    [row] = [line for line in markdown(results, Baseline()).splitlines() if line.startswith("| schema")]
    assert row.replace("\\|", "").count("|") == 6
    assert "\\`wrong\\` and \\<b>" in row


def test_results_of_processes_add_up() -> None:
    all_of_it = some()
    other, total = Results(), Results()
    other.add(json.loads(json.dumps(all_of_it.as_json())))
    assert other.as_json() == all_of_it.as_json()
    total.add(json.loads(json.dumps(all_of_it.as_json())))
    total.add(json.loads(json.dumps(other.as_json())))
    assert total.exercised["shop 1"]["POST /"] == {"200 application/json": 2, "201 text/plain": 2}
    assert total.counts["judged"] == 8
    assert {sighting.count for sighting in total.findings.values()} == {2}
    assert total.never() == all_of_it.never()

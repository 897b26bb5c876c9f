"""Random cases out of the OpenAPI document, by schemathesis, through our client."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
import requests
import schemathesis
from hypothesis import given
from parcels import app, create_app
from schemathesis.openapi.checks import JsonSchemaError

from asgi_testkit import TestClient

# Two checks find what FastAPI is by its nature: pydantic takes `false` and "7" for numbers, unless a model is strict;
# and Starlette's `Allow` has the methods of one route alone where a path has several.
config = schemathesis.Config.from_dict(
    {"checks": {"negative_data_rejection": {"enabled": False}, "allow_header_conformance": {"enabled": False}}}
)

Case: TypeAlias = schemathesis.Case[Any]

schema = schemathesis.openapi.from_dict(app.openapi(), config=config)


def check(case: Case, client: TestClient) -> None:
    """Send a case, and compare the response with what the document promises."""
    sent = requests.Request(**case.as_transport_kwargs(base_url=str(client.base_url))).prepare()
    response = client.request(
        str(sent.method), str(sent.url), headers=sent.headers, content=sent.body, follow_redirects=False
    )
    case.validate_response(response)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@schema.parametrize()
def test_the_app_keeps_its_promises(case: Case, client: TestClient) -> None:
    check(case, client)


faulty = create_app(faulty=True)
quote = schemathesis.openapi.from_dict(faulty.openapi())["/quotes/{grams}"]["GET"]


@given(case=quote.as_strategy())
def check_quote(case: Case) -> None:
    check(case, TestClient(faulty))


def test_a_response_that_is_not_as_promised_is_found() -> None:
    with pytest.RaisesGroup(JsonSchemaError):
        check_quote()

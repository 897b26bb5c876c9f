"""Random cases, by Hypothesis: awaited, blocking, and as a machine that keeps going."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.errors import FailedHealthCheck
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test
from parcels import app, create_app

from asgi_testkit import AsyncClient, TestClient

contents = st.fixed_dictionaries({"grams": st.integers(1, 30_000), "label": st.text()})


# Awaited: a client, and so a lifespan, for each example


@given(contents)
async def test_what_is_posted_is_listed(contents: dict[str, Any]) -> None:
    async with AsyncClient(app) as client:
        assert (await client.post("/parcels", json=contents)).status_code == 201
        [parcel] = (await client.get("/parcels")).json()
        assert {key: parcel[key] for key in contents} == contents


# Blocking: one client for all examples


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@given(grams=st.integers(0, 30_000))
def test_a_box_holds_five_kilograms(client: TestClient, grams: int) -> None:
    boxes = client.get(f"/quotes/{grams}").json()["boxes"]
    assert (boxes - 1) * 5_000 < grams <= boxes * 5_000


@pytest.fixture
def client_of_one_test() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.mark.xfail(raises=FailedHealthCheck, strict=True, reason="the fixture is made once, and not for each example")
@given(grams=st.integers(0, 30_000))
def test_a_fixture_of_one_test_is_refused(client_of_one_test: TestClient, grams: int) -> None:
    client_of_one_test.get(f"/quotes/{grams}")


# A machine: any steps in any order


class Bag(RuleBasedStateMachine):
    """Post parcels and take them back, and compare with a dict after each step."""

    posted: Bundle[str] = Bundle("posted")
    app = app

    def __init__(self) -> None:
        super().__init__()
        self.client = TestClient(self.app)
        self.client.__enter__()
        self.model: dict[str, int] = {}

    def teardown(self) -> None:
        """Stop the app."""
        self.client.__exit__(None, None, None)

    @rule(target=posted, grams=st.integers(1, 30_000))
    def post(self, grams: int) -> str:
        """Post a parcel, and remember it."""
        parcel: str = self.client.post("/parcels", json={"grams": grams}).json()["id"]
        self.model[parcel] = grams
        return parcel

    @rule(parcel=consumes(posted))
    def take_back(self, parcel: str) -> None:
        """Take back one of those that were posted."""
        assert self.client.delete(f"/parcels/{parcel}").status_code == 204
        del self.model[parcel]

    @invariant()
    def the_same_parcels_are_there(self) -> None:
        """Compare."""
        parcels = self.client.get("/parcels").json()
        assert {parcel["id"]: parcel["grams"] for parcel in parcels} == self.model


a_few = settings(max_examples=20, stateful_step_count=10)
Bag.TestCase.settings = a_few
TestBag = Bag.TestCase


class FaultyBag(Bag):
    """The same, of the app with its fault."""

    app = create_app(faulty=True)


def test_the_machine_finds_the_fault_and_its_shortest_story() -> None:
    with pytest.raises(AssertionError) as found:
        run_state_machine_as_test(FaultyBag, settings=a_few)
    steps = [note for note in found.value.__notes__ if "post" in note]
    assert steps == [
        "posted_0 = state.post(grams=1)",
        "posted_1 = state.post(grams=1)",
        "state.take_back(parcel=posted_1)",
    ]

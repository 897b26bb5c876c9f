"""One exchange at a time: what the app's calls come to, and what the client gets."""

from __future__ import annotations

import pytest

from ._case import Case
from ._end_cases import END_CASES
from ._length_cases import LENGTH_CASES
from ._message_cases import MESSAGE_CASES
from ._observe import Witness, observe
from ._request_cases import REQUEST_CASES
from ._start_cases import START_CASES
from ._worlds import World

pytestmark = pytest.mark.anyio

CASES = [*REQUEST_CASES, *START_CASES, *MESSAGE_CASES, *LENGTH_CASES, *END_CASES]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
async def test_an_exchange_is_what_the_table_says(world: World, case: Case) -> None:
    witness = Witness(case.app)
    async with world.client(witness) as client:
        assert await observe(client, witness, case.call) == case.seen_in(world.name)


def test_where_the_client_does_not_follow_most_servers_there_is_a_reason() -> None:
    assert [case.name for case in CASES if case.why] == [case.name for case in CASES if case.seen != case.consensus]

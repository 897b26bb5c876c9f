"""The client in-process is what was observed of it, and differs from servers where that is deliberate only."""

from __future__ import annotations

import asyncio
import logging

import pytest

from .observed import in_process
from .observed.behaviours import BEHAVIOURS
from .observed.case import OURS, SERVERS, Case, Topic
from .observed.cases import CASES
from .observed.client import Until
from .observed.differences import AT_MOST, DIFFERENCES
from .observed.in_process import WORLDS
from .observed.pages import pages
from .observed.table import Table

TABLE = Table.load()

TOPICS = list(dict.fromkeys(case.topic for case in CASES))

ASK_AGAIN = (
    "`nox -s parity` observes all anew; `nox -s parity -- asgi-testkit asgi-testkit-by-default` the client alone"
)

#: How much more patient the second look is, at what a busy machine may not have got done.
LONGER = 10


async def observed(case: Case, world: str) -> str:
    seen = await in_process.observe(case, world)
    as_written = seen == TABLE.seen[case.title][world]
    return seen if as_written else await in_process.observe(case, world, patience=LONGER)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("topic", TOPICS)
def test_the_client_does_what_was_written_down(topic: Topic, world: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "asgi_testkit")  # it warns of lifespans that raise

    async def observe_all() -> dict[str, str]:
        return {case.title: await observed(case, world) for case in CASES if case.topic == topic}

    written = {case.title: TABLE.seen[case.title][world] for case in CASES if case.topic == topic}
    assert asyncio.run(observe_all()) == written, ASK_AGAIN


def test_every_case_has_a_title_of_its_own_and_was_observed() -> None:
    titles = [case.title for case in CASES]
    assert len(set(titles)) == len(titles)
    assert list(TABLE.seen) == titles, ASK_AGAIN


def test_every_server_was_asked_all_that_it_can_show() -> None:
    for case in CASES:
        assert TABLE.seen[case.title].keys() == {*SERVERS, *WORLDS} - {*case.unable}, ASK_AGAIN
    assert TABLE.versions.keys() == {*SERVERS}


def test_an_app_that_is_not_called_is_told_as_such() -> None:
    case = Case("Streaming", "nothing", (), (Until("start"),))
    assert asyncio.run(in_process.observe(case, OURS)) == "not called -> never start"


def test_the_client_differs_from_all_servers_for_a_reason_only() -> None:
    deliberate = [title for difference in DIFFERENCES for title in difference.cases]
    assert sorted(TABLE.differences()) == sorted(deliberate)
    assert len(deliberate) <= AT_MOST


def test_the_pages_are_made_of_what_was_observed() -> None:
    for path, text in pages(TABLE).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: {ASK_AGAIN}"


def test_the_file_is_as_it_is_written() -> None:
    assert Table.load().text(CASES) == TABLE.text(CASES)


def test_the_page_shows_cases_that_there_are() -> None:
    assert {title for rows in BEHAVIOURS.values() for title in rows.values()} <= {case.title for case in CASES}

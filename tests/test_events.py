"""Bodies cut into lines and events, wherever their parts begin and end; and content codings undone."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_testkit import ServerSentEvent
from asgi_testkit._protocol.codings import decoder_of
from asgi_testkit._protocol.events import Events, Lines


def lines_of(chunks: Iterable[bytes], charset: str = "utf-8") -> list[str]:
    lines = Lines(charset)
    return [line for chunk in chunks for line in lines.feed(chunk)] + lines.finish()


def parts(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Return the body in parts that begin at these places."""
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in pairwise(places)]


def events_of(chunks: Iterable[bytes]) -> list[ServerSentEvent]:
    lines, events = Lines(), Events()
    found = [event for chunk in chunks for event in events.feed(lines.feed(chunk))]
    return [*found, *events.feed(lines.finish())]


# Lines


@pytest.mark.parametrize(
    "body, lines",
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\nb\r\nc\rd", ["a", "b", "c", "d"]),
        (b"\n\r\n\r", ["", "", ""]),
        (b"\r\r\n", ["", ""]),
        (b"\n\r", ["", ""]),
        ("ä\x0b\x85\u2028ö\n".encode(), ["ä\x0b\x85\u2028ö"]),
        (b"\xff\n\xc3", ["\ufffd", "\ufffd"]),
    ],
)
def test_lines_whole_and_byte_by_byte(body: bytes, lines: list[str]) -> None:
    assert lines_of([body]) == lines
    assert lines_of(body[at : at + 1] for at in range(len(body))) == lines
    assert lines_of([b"", body, b""]) == lines


def test_a_line_that_ends_with_a_carriage_return_does_not_wait_for_what_comes_next() -> None:
    lines = Lines()
    assert lines.feed(b"a\r") == ["a"]
    assert lines.feed(b"\nb") == []
    assert lines.finish() == ["b"]


def test_lines_of_another_charset() -> None:
    assert lines_of(["ä\nö".encode("utf-16")], "utf-16") == ["ä", "ö"]


@given(st.text(st.sampled_from("aä€\U0001f40d\r\n")), st.lists(st.integers(0, 100)))
def test_lines_are_the_same_however_they_are_cut(text: str, cuts: list[int]) -> None:
    body = text.encode()
    assert lines_of(parts(body, cuts)) == lines_of([body])


# Events


@pytest.mark.parametrize(
    "body, events",
    [
        (b"data: a\n\n", [ServerSentEvent(data="a")]),
        (b"data:a\r\r", [ServerSentEvent(data="a")]),
        (b"data:  a\r\n\r\n", [ServerSentEvent(data=" a")]),
        (b"data: a\ndata\ndata:b\n\n", [ServerSentEvent(data="a\n\nb")]),
        (b"data\n\n", [ServerSentEvent(data="")]),
        (b"event: tick\ndata: a\n\ndata: b\n\n", [ServerSentEvent("tick", "a"), ServerSentEvent(data="b")]),
        (b"event: tick\n\ndata: b\n\n", [ServerSentEvent(data="b")]),
        (b"event: a\nevent: b\ndata:\n\n", [ServerSentEvent("b")]),
        (b": a comment\n\n:\ndata: a\n:\ndata: b\n\n", [ServerSentEvent(data="a\nb")]),
        (b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", [
            ServerSentEvent(data="a", id="1"), ServerSentEvent(data="b", id="1"), ServerSentEvent(data="c"),
        ]),
        (b"id: 7\n\ndata: a\n\n", [ServerSentEvent(data="a", id="7")]),
        (b"id: 1\nid: a\0b\ndata: a\n\n", [ServerSentEvent(data="a", id="1")]),
        (b"retry: 50\ndata: a\n\ndata: b\n\n", [ServerSentEvent(data="a", retry=50), ServerSentEvent(data="b")]),
        (b"retry: 50\n\ndata: a\n\n", [ServerSentEvent(data="a", retry=50)]),
        (b"retry: 5s\nretry: -1\nretry\nretry: \xc2\xb2\ndata: a\n\n", [ServerSentEvent(data="a")]),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [ServerSentEvent(data="a")]),
        (b"\xef\xbb\xbf\ndata: a\n\n", [ServerSentEvent(data="a")]),
        (b"data: a\n\ndata: broken off\n", [ServerSentEvent(data="a")]),
        (b"Data: a\n data: b\ndatum: c\ndata: d\n\n", [ServerSentEvent(data="d")]),
        (b"", []),
    ],
)  # fmt: skip
def test_events_whole_and_byte_by_byte(body: bytes, events: list[ServerSentEvent]) -> None:
    assert events_of([body]) == events
    assert events_of(body[at : at + 1] for at in range(len(body))) == events


def test_the_data_of_an_event_as_json() -> None:
    assert ServerSentEvent(data='{"n": 1}').json() == {"n": 1}
    with pytest.raises(ValueError, match="Expecting value"):
        ServerSentEvent(data="n").json()


# Content codings


def bare_deflate(body: bytes) -> bytes:
    squeezed = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezed.compress(body) + squeezed.flush()


BODY = b"data: a long story\n\n" * 20


@pytest.mark.parametrize(
    "codings, body",
    [
        ("", BODY),
        ("identity", BODY),
        ("aws-chunked", BODY),
        ("gzip", gzip.compress(BODY)),
        ("X-GZip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", bare_deflate(BODY)),
        ("deflate, gzip", gzip.compress(zlib.compress(BODY))),
    ],
    ids=["none", "identity", "unknown", "gzip", "x-gzip", "deflate", "bare deflate", "two"],
)
def test_codings_are_undone_whole_and_byte_by_byte(codings: str, body: bytes) -> None:
    assert decoder_of(codings)(body) == BODY
    decode = decoder_of(codings)
    assert b"".join(decode(chunk) for chunk in (b"", *(body[at : at + 1] for at in range(len(body))), b"")) == BODY


@pytest.mark.parametrize("coding", ["br", "gzip, zstd"])
def test_a_coding_that_takes_a_package_is_an_error_that_says_what_to_do(coding: str) -> None:
    with pytest.raises(ValueError, match=r"which is not decoded here. Ask the app for another: headers="):
        decoder_of(coding)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_is_not_in_its_coding_is_an_error(coding: str) -> None:
    with pytest.raises(zlib.error):
        decoder_of(coding)(b"not compressed at all")

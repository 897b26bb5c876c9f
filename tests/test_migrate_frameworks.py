"""``migrate`` for the clients of Litestar and Quart."""

from __future__ import annotations

import pytest

from .migrations import after, results, text, told

LITESTAR = [
    (
        """
        from litestar.testing import TestClient

        with TestClient[Litestar](app) as client:
            x: TestClient[Litestar]
        """,
        """
        from asgi_testkit import TestClient

        with TestClient(app) as client:
            x: TestClient
        """,
    ),
    (
        """
        from litestar.testing import create_test_client

        with create_test_client(route_handlers=[hello], debug=False, root_path="/api") as client:
            pass
        """,
        """
        from asgi_testkit import TestClient
        from litestar import Litestar

        with TestClient(Litestar(route_handlers=[hello], debug=False), root_path="/api") as client:
            pass
        """,
    ),
    (
        """
        from litestar import get
        from litestar.testing import create_test_client

        handlers = [hello]

        @get("/")
        def hello(): ...

        def test():
            with create_test_client(hello) as one, create_test_client(handlers) as other:
                create_test_client()
        """,
        """
        from litestar import Litestar, get
        from asgi_testkit import TestClient

        handlers = [hello]

        @get("/")
        def hello(): ...

        def test():
            with TestClient(Litestar([hello], debug=True)) as one, TestClient(Litestar(handlers, debug=True)) as other:
                TestClient(Litestar(debug=True))
        """,
    ),
    (
        """
        from litestar.testing import AsyncTestClient, create_async_test_client

        async def test(client: AsyncTestClient):
            async with AsyncTestClient(app, follow_redirects=False), AsyncTestClient[Litestar](app):
                async with create_async_test_client([hello], timeout=3) as client:
                    with await client.websocket_connect("/") as session:
                        session.send_text("hello")
                        assert session.receive_text(block=False, mode="text") == "hello"
                        assert (await session.receive_json())["a"]
                        assert session.accepted_subprotocol
                    with open(x):
                        pass

        with open(x):
            pass
        """,
        """
        from asgi_testkit import AsyncClient
        from litestar import Litestar

        async def test(client: AsyncClient):
            async with AsyncClient(app, follow_redirects=False), AsyncClient(app, follow_redirects=True):
                async with AsyncClient(Litestar([hello], debug=True), timeout=3, follow_redirects=True) as client:
                    async with client.websocket_connect("/") as session:
                        await session.send_text("hello")
                        assert await session.receive_text(timeout=0, mode="text") == "hello"
                        assert (await session.receive_json())["a"]
                        assert session.subprotocol
                    with open(x):
                        pass

        with open(x):
            pass
        """,
    ),
    (
        """
        from litestar.testing import TestClient

        with TestClient(app).websocket_connect("/") as session:
            session.receive_json(mode="text", block=True)
            session.receive_json(block=True)
        """,
        """
        from asgi_testkit import TestClient

        with TestClient(app).websocket_connect("/") as session:
            session.receive_json(mode="text")
            session.receive_json()
        """,
    ),
    (
        """
        from litestar import Litestar, WebSocket
        from litestar.exceptions import WebSocketDisconnect
        from litestar.testing import RequestFactory

        def test():
            with pytest.raises(WebSocketDisconnect):
                session.receive_text()
        """,
        """
        from litestar import Litestar, WebSocket
        from asgi_testkit import WebSocketDisconnect
        from litestar.testing import RequestFactory

        def test():
            with pytest.raises(WebSocketDisconnect):
                session.receive_text()
        """,
    ),
]


@pytest.mark.parametrize("before, expected", LITESTAR)
def test_litestars_clients_become_ours(before: str, expected: str) -> None:
    assert after(before) == text(expected)


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("create_test_client(*all)", "which of its arguments are the app's cannot be told"),
        ("create_test_client([x], session_config=c)", "which of its arguments are the app's cannot be told"),
        ("create_test_client(handlers)", "whether handlers is a list cannot be told"),
        ("create_test_client(get_handlers())", "whether get_handlers() is a list cannot be told"),
        ("partial(create_test_client)", "create_test_client is handed on"),
        ("create_test_client([]).set_session_data({})", "set_session_data() has no counterpart"),
        (
            "with create_test_client([]).websocket_connect('/') as s: s.send_msgpack(1)",
            "send_msgpack() is send_bytes()",
        ),
    ],
)
def test_what_litestar_has_alone_is_told_of(line: str, sentence: str) -> None:
    before = f"from litestar.testing import create_test_client\nfrom x import handlers\n{line}\n"
    notes = told(before)
    assert [note.startswith("3: ") and sentence in note for note in notes] == [True]


QUART = [
    (
        """
        import pytest

        @pytest.fixture
        def client():
            return app.test_client()

        async def test(client):
            response = await client.post("/", form={"a": "b"}, query_string={"c": "d"}, headers={})
            assert await response.get_json() == (await response.json)["a"]
            assert "x" in await response.get_data(as_text=True)
            assert b"x" == await response.get_data() == await response.data
            await client.open("/", method="PUT", data=b"x")
            await client.open("/")
            await client.trace("/")
            client.set_cookie("localhost", "name", "value")
            await other()
            await other.json
            await client.something()
        """,
        """
        import pytest
        from asgi_testkit import AsyncClient

        @pytest.fixture
        def client():
            return AsyncClient(app)

        async def test(client):
            response = await client.post("/", data={"a": "b"}, params={"c": "d"}, headers={})
            assert response.json() == response.json()["a"]
            assert "x" in response.text
            assert b"x" == response.content == response.content
            await client.request("PUT", "/", content=b"x")
            await client.request("GET", "/")
            await client.request("TRACE", "/")
            client.cookies.set("name", "value")
            await other()
            await other.json
            await client.something()
        """,
    ),
    (
        """
        async def test():
            async with app.test_client() as client:
                await client.get("/")
            async with client.websocket("/ws", query_string={}) as session:
                await session.send("x")
                assert await session.receive() == "x"
                assert b"x" == await session.receive()
                assert f"{x}" == await session.receive()
                await session.receive_json()
        """,
        """
        from asgi_testkit import AsyncClient
        async def test():
            async with AsyncClient(app, lifespan="off") as client:
                await client.get("/")
            async with client.websocket_connect("/ws", params={}) as session:
                await session.send("x")
                assert await session.receive_text() == "x"
                assert b"x" == await session.receive_bytes()
                assert f"{x}" == await session.receive_text()
                await session.receive_json()
        """,
    ),
    (
        """
        async def test():
            async with app.test_client().websocket("/") as session:
                pass
        """,
        """
        from asgi_testkit import AsyncClient
        async def test():
            async with AsyncClient(app).websocket_connect("/") as session:
                pass
        """,
    ),
]


@pytest.mark.parametrize("before, expected", QUART)
def test_quarts_clients_become_ours(before: str, expected: str) -> None:
    assert after(before) == text(expected)


def test_the_client_of_flask_is_left() -> None:
    before = "def test():\n    client = app.test_client()\n    assert client.post('/', data={}).get_json()\n"
    assert after(before) == before


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("async with client.session_transaction() as s: pass", "client.session_transaction is Quart's alone"),
        ("await client.get('/', scheme='https')", "scheme= is for the client with ours"),
        ("login(client)", "client goes to login()"),
        ("async with app.test_app() as x: pass", "test_app() runs the lifespan"),
        ("async with client.websocket('/') as s: x = await s.receive()", "whether receive_text() or receive_bytes()"),
        (
            "async with client.websocket('/') as s: assert await s.receive() == x",
            "whether receive_text() or receive_bytes()",
        ),
    ],
)
def test_what_only_quarts_client_can_do_leaves_it(line: str, sentence: str) -> None:
    kept = f"async def test_kept():\n    client = app.test_client()\n    await client.get('/')\n    {line}\n"
    before = f"{kept}\nasync def test_moved():\n    client = app.test_client()\n    await client.get('/')\n"
    result = results({"test_it.py": before})["test_it.py"]
    assert kept in result.text
    assert "async def test_moved():\n    client = AsyncClient(app)\n" in result.text
    assert [sentence in note.sentence for note in result.notes] == [True]


def test_an_attribute_of_quarts_responses_is_told_of() -> None:
    before = "async def test():\n    r = await app.test_client().get('/')\n    assert r.mimetype == r.status_code\n"
    assert told(before) == ["3: response.mimetype is Quart's: ours has headers and status_code, as httpx"]


def test_files_beside_have_nothing_to_do_with_it() -> None:
    files = {
        "test_one.py": "async def test():\n    await app.test_client().get('/', subdomain='x')\n",
        "test_two.py": "async def test():\n    await app.test_client().get('/')\n",
    }
    found = results(files)
    assert [len(result.notes) for result in found.values()] == [1, 0]
    assert "AsyncClient(app)" in found["test_two.py"].text

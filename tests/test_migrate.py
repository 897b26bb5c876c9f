"""``migrate``, the first step: the names of other packages become ours. Pairs of what was, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import libcst as cst
import pytest

from asgi_testkit._tools.migrate.edits import Edits
from asgi_testkit._tools.migrate.files import File
from asgi_testkit._tools.migrate.run import migrated
from asgi_testkit._tools.migrate.source import Source
from asgi_testkit._tools.migrate.suite import Suite

from .migrations import after, results, text, told

IMPORTS = [
    ("from starlette.testclient import TestClient", "from asgi_testkit import TestClient"),
    (
        "from fastapi.testclient import TestClient as Client\nClient(app)",
        "from asgi_testkit import TestClient as Client\nClient(app)",
    ),
    (
        "import starlette.testclient\nstarlette.testclient.TestClient(app)",
        "import asgi_testkit\nasgi_testkit.TestClient(app)",
    ),
    ("import starlette.testclient as tc\ntc.TestClient(app)", "import asgi_testkit\nasgi_testkit.TestClient(app)"),
    (
        "from starlette import testclient\ntestclient.TestClient(app)",
        "import asgi_testkit\nasgi_testkit.TestClient(app)",
    ),
    (
        "from starlette import status, testclient\ntestclient.TestClient(app, status)",
        "import asgi_testkit\nfrom starlette import status\nasgi_testkit.TestClient(app, status)",
    ),
    (
        "import os, starlette.testclient\nstarlette.testclient.TestClient(app)",
        "import asgi_testkit\nimport os\nasgi_testkit.TestClient(app)",
    ),
    (
        (
            "from starlette.testclient import TestClient, WebSocketTestSession\n"
            "def f(c: TestClient, s: 'WebSocketTestSession'): ..."
        ),
        "from asgi_testkit import TestClient, WebSocketSession\ndef f(c: TestClient, s: 'WebSocketSession'): ...",
    ),
    (
        "from starlette.testclient import WebSocketTestSession as Session\nx: Session",
        "from asgi_testkit import WebSocketSession as Session\nx: Session",
    ),
    (
        "def test():\n    from starlette.testclient import TestClient\n    TestClient(app)",
        "def test():\n    from asgi_testkit import TestClient\n    TestClient(app)",
    ),
    (
        "if True:\n    from httpx import ASGITransport, AsyncClient\nAsyncClient(transport=ASGITransport(app))",
        'if True:\n    from asgi_testkit import AsyncClient\nAsyncClient(app, lifespan="off")',
    ),
    (
        (
            "from asgi_testkit import LiveServer\n"
            "from starlette.testclient import TestClient\nprint(LiveServer, TestClient)"
        ),
        "from asgi_testkit import LiveServer, TestClient\nprint(LiveServer, TestClient)",
    ),
    (
        "import asgi_testkit\nimport starlette.testclient\nstarlette.testclient.TestClient(app)",
        "import asgi_testkit\nasgi_testkit.TestClient(app)",
    ),
    (
        "import httpx2\nfrom starlette.testclient import TestClient\nprint(httpx2.codes, TestClient)",
        "import httpx2\nfrom asgi_testkit.httpx2 import TestClient\nprint(httpx2.codes, TestClient)",
    ),
    ("from httpx2 import ASGITransport", "from asgi_testkit.httpx2 import ASGITransport"),
    ("from starlette.testclient import TestClient; x = 1", "from asgi_testkit import TestClient\nx = 1"),
    (
        "from starlette.testclient import (  # theirs\n    TestClient,\n)  # end\nTestClient(app)",
        "from asgi_testkit import TestClient  # end\nTestClient(app)",
    ),
    (
        "from .app import app\nimport app.testclient\nfrom httpx import *",
        "from .app import app\nimport app.testclient\nfrom httpx import *",
    ),
    (
        (
            "try:\n    from starlette.testclient import TestClient\n"
            "except ImportError:\n    TestClient = None\nprint(TestClient)"
        ),
        "try:\n    from asgi_testkit import TestClient\nexcept ImportError:\n    TestClient = None\nprint(TestClient)",
    ),
]


@pytest.mark.parametrize("before, expected", IMPORTS)
def test_imports_are_exchanged_in_their_place(before: str, expected: str) -> None:
    assert after(before) == expected


FOLDS = [
    ("httpx.AsyncClient(transport=httpx.ASGITransport(app=app))", 'asgi_testkit.AsyncClient(app, lifespan="off")'),
    (
        "httpx.AsyncClient(app=app, base_url='http://t')",
        "asgi_testkit.AsyncClient(app, base_url='http://t', lifespan='off')",
    ),
    (
        "httpx.AsyncClient(base_url='t', transport=httpx.ASGITransport(app, False, '/'))",
        "asgi_testkit.AsyncClient(app, base_url='t', raise_server_exceptions=False, root_path='/', lifespan='off')",
    ),
    (
        "httpx.AsyncClient(transport=httpx.ASGITransport(app=app, raise_app_exceptions=False, client=('x', 5)), **m)",
        "asgi_testkit.AsyncClient(app, **m, raise_server_exceptions=False, client=('x', 5), lifespan='off')",
    ),
    (
        "httpx.AsyncClient(\n    transport=httpx.ASGITransport(app),  # in-process\n    timeout=3,  # seconds\n)",
        'asgi_testkit.AsyncClient(\n    app,  # in-process\n    timeout=3,  # seconds\n    lifespan="off",\n)',
    ),
    (
        "httpx.AsyncClient(\n    timeout=3,  # seconds\n    transport=httpx.ASGITransport(app),\n)",
        'asgi_testkit.AsyncClient(\n    timeout=3,  # seconds\n    app=app,\n    lifespan="off",\n)',
    ),
    (
        "httpx.AsyncClient(\n    transport=httpx.ASGITransport(\n        make(),\n    )\n)",
        'asgi_testkit.AsyncClient(\n    make(), lifespan="off"\n)',
    ),
    (
        "httpx.AsyncClient(\n    transport=httpx.ASGITransport(make(\n        1,\n    ))\n)",
        'asgi_testkit.AsyncClient(\n    make(\n        1,\n    ),\n    lifespan="off"\n)',
    ),
    (
        "httpx.AsyncClient(transport=httpx.ASGITransport(app)) is '127.0.0.1'",
        "asgi_testkit.AsyncClient(app, client=(\"127.0.0.1\", 123), lifespan='off') is '127.0.0.1'",
    ),
    (
        "httpx.AsyncClient(transport=httpx.ASGITransport(app),\n    )",
        'asgi_testkit.AsyncClient(app,\n    lifespan="off",\n    )',
    ),
]


@pytest.mark.parametrize("before, expected", FOLDS)
def test_a_transport_for_an_app_is_folded_into_its_client(before: str, expected: str) -> None:
    assert after(f"import httpx\n{before}") == f"import asgi_testkit\n{expected}"


@pytest.mark.parametrize(
    "before, expected",
    [
        (
            """
            from httpx import ASGITransport, AsyncClient, Response

            async def test():
                transport = ASGITransport(app=app, client=("1.2.3.4", 5))
                async with AsyncClient(transport=transport, base_url="http://t") as client:
                    response: Response = await client.get("/")
            """,
            """
            from asgi_testkit import AsyncClient
            from httpx import Response

            async def test():
                async with AsyncClient(app, base_url="http://t", client=("1.2.3.4", 5), lifespan="off") as client:
                    response: Response = await client.get("/")
            """,
        ),
        (  # the variable is used for other things, too
            """
            from httpx import ASGITransport, AsyncClient

            transport: ASGITransport = ASGITransport(app)
            client = AsyncClient(transport=transport)
            print(transport)
            """,
            """
            from asgi_testkit import ASGITransport, AsyncClient

            transport: ASGITransport = ASGITransport(app)
            client = AsyncClient(app, lifespan="off")
            print(transport)
            """,
        ),
        (  # the app may be another one by then, so the transport alone is exchanged
            """
            import httpx

            def make():
                app = first()
                transport = httpx.ASGITransport(app)
                app = second()
                return httpx.AsyncClient(transport=transport)
            """,
            """
            import asgi_testkit
            import httpx

            def make():
                app = first()
                transport = asgi_testkit.ASGITransport(app)
                app = second()
                return httpx.AsyncClient(transport=transport)
            """,
        ),
        (
            """
            import httpx

            transport = other = httpx.ASGITransport(app)
            httpx.AsyncClient(transport=transport)
            httpx.AsyncClient(transport=httpx.ASGITransport(*apps))
            httpx.AsyncClient(transport=httpx.ASGITransport(strange=1))
            httpx.AsyncClient(transport=httpx.MockTransport(handler))
            httpx.AsyncClient(mounts={"all://": httpx.ASGITransport(app)})
            """,
            """
            import asgi_testkit
            import httpx

            transport = other = asgi_testkit.ASGITransport(app)
            httpx.AsyncClient(transport=transport)
            httpx.AsyncClient(transport=asgi_testkit.ASGITransport(*apps))
            httpx.AsyncClient(transport=asgi_testkit.ASGITransport(strange=1))
            httpx.AsyncClient(transport=httpx.MockTransport(handler))
            httpx.AsyncClient(mounts={"all://": asgi_testkit.ASGITransport(app)})
            """,
        ),
        (  # a client of something else keeps the name
            """
            from httpx import ASGITransport, AsyncClient

            AsyncClient(transport=ASGITransport(app))
            AsyncClient(base_url="https://example.org")
            """,
            """
            import asgi_testkit
            from httpx import AsyncClient

            asgi_testkit.AsyncClient(app, lifespan="off")
            AsyncClient(base_url="https://example.org")
            """,
        ),
        (
            """
            import httpx2

            httpx2.AsyncClient(transport=httpx2.ASGITransport(app))
            """,
            """
            import asgi_testkit.httpx2

            asgi_testkit.httpx2.AsyncClient(app, lifespan="off")
            """,
        ),
        (
            """
            from httpx import ASGITransport, AsyncClient

            class TestIt:
                transport = ASGITransport(app)

                def make(self, kind=AsyncClient):
                    for transport in transports:
                        AsyncClient(transport=transport)
                    return AsyncClient(transport=self.transport)
            """,
            """
            from asgi_testkit import ASGITransport
            from httpx import AsyncClient

            class TestIt:
                transport = ASGITransport(app)

                def make(self, kind=AsyncClient):
                    for transport in transports:
                        AsyncClient(transport=transport)
                    return AsyncClient(transport=self.transport)
            """,
        ),
        (
            """
            from httpx import ASGITransport, AsyncClient

            def make(x):
                transport = ASGITransport(apps[0])
                return AsyncClient(transport=transport)
            """,
            """
            from asgi_testkit import ASGITransport
            from httpx import AsyncClient

            def make(x):
                transport = ASGITransport(apps[0])
                return AsyncClient(transport=transport)
            """,
        ),
    ],
)
def test_a_transport_in_a_variable_is_folded_if_that_is_safe(before: str, expected: str) -> None:
    assert after(before) == text(expected)


HEAD = "from asgi_lifespan import LifespanManager\nfrom httpx import ASGITransport, AsyncClient\n\n"
NEW_HEAD = "from asgi_testkit import AsyncClient\n\n"


@pytest.mark.parametrize(
    "before, expected",
    [
        (  # the client runs the lifespan
            """
            async def test():
                async with LifespanManager(app), AsyncClient(transport=ASGITransport(app)) as client:
                    pass
            """,
            """
            async def test():
                async with AsyncClient(app) as client:
                    pass
            """,
        ),
        (
            """
            async def test():
                transport = ASGITransport(app)
                client = AsyncClient(transport=transport)
                async with client as client, LifespanManager(app):
                    pass
            """,
            """
            async def test():
                client = AsyncClient(app)
                async with client as client:
                    pass
            """,
        ),
        (
            """
            async def test():
                async with LifespanManager(app, startup_timeout=30) as manager:
                    # the client
                    async with AsyncClient(transport=ASGITransport(app=manager.app)) as client:
                        yield client
            """,
            """
            async def test():
                # the client
                async with AsyncClient(app, startup_timeout=30) as client:
                    yield client
            """,
        ),
        (
            """
            async def test():
                async with LifespanManager(app, 30, 20) as manager:
                    transport = ASGITransport(manager.app)
                    async with AsyncClient(transport=transport) as client:
                        yield client, manager.app
            """,
            """
            async def test():
                async with AsyncClient(app, startup_timeout=30, shutdown_timeout=20) as client:
                    yield client, app
            """,
        ),
        (
            """
            async def test():
                async with other(), LifespanManager(app=app):
                    async with AsyncClient(transport=ASGITransport(app)) as client:
                        pass
            """,
            """
            async def test():
                async with other():
                    async with AsyncClient(app) as client:
                        pass
            """,
        ),
        (  # one of them runs it
            """
            async def test():
                async with (
                    LifespanManager(app),
                    AsyncClient(transport=ASGITransport(app)) as one,
                    AsyncClient(transport=ASGITransport(app)) as two,
                ):
                    pass
            """,
            """
            async def test():
                async with (
                    AsyncClient(app) as one,
                    AsyncClient(app, lifespan="off") as two,
                ):
                    pass
            """,
        ),
    ],
)
def test_a_manager_beside_a_client_goes(before: str, expected: str) -> None:
    assert after(HEAD + text(before)) == NEW_HEAD + text(expected)


MANAGER_HEAD = "from asgi_testkit import AsyncClient, LifespanManager\n\n"


@pytest.mark.parametrize(
    "before, expected",
    [
        (  # somebody else runs the lifespan, as before
            """
            async def fixture():
                async with LifespanManager(app):
                    yield app

            async def test(app):
                async with AsyncClient(transport=ASGITransport(app)) as client:
                    pass
            """,
            """
            async def fixture():
                async with LifespanManager(app):
                    yield app

            async def test(app):
                async with AsyncClient(app, lifespan="off") as client:
                    pass
            """,
        ),
        (  # that of another app
            """
            async def test():
                async with LifespanManager(inner), AsyncClient(transport=ASGITransport(outer(inner))) as client:
                    pass
            """,
            """
            async def test():
                async with LifespanManager(inner), AsyncClient(outer(inner), lifespan="off") as client:
                    pass
            """,
        ),
        (
            """
            async def test():
                manager = await stack.enter_async_context(LifespanManager(app))
                client = AsyncClient(transport=ASGITransport(manager.app))
                client = AsyncClient(transport=ASGITransport(app.wrapped))
                async with client, LifespanManager(app) as other, LifespanManager():
                    pass
            """,
            """
            async def test():
                manager = await stack.enter_async_context(LifespanManager(app))
                client = AsyncClient(manager.app, lifespan="off")
                client = AsyncClient(app.wrapped, lifespan="off")
                async with client, LifespanManager(app) as other, LifespanManager():
                    pass
            """,
        ),
    ],
)
def test_a_manager_elsewhere_stays_and_is_ours(before: str, expected: str) -> None:
    assert after(HEAD + text(before)) == MANAGER_HEAD + text(expected)


@pytest.mark.parametrize(
    "use, app",
    [("print(manager.state)", "manager.app"), ("print(manager)", "manager.app"), ("print(1)", "app")],
)
def test_a_manager_whose_block_does_more_stays_and_is_told_of(use: str, app: str) -> None:
    before = f"""
async def test():
    async with LifespanManager(app) as manager:
        {use}
        async with AsyncClient(transport=ASGITransport({app})) as client:
            pass
"""
    result = results({"test_it.py": HEAD + before})["test_it.py"]
    off = ', lifespan="off"' if app == "app" else ""
    assert f"async with AsyncClient({app}{off}) as client" in result.text
    assert "async with LifespanManager(app) as manager:" in result.text
    [note] = result.notes_for(written=False)
    assert note.line == 6
    assert note.sentence.startswith("LifespanManager stays, as its block does more than to enter the client of line 8.")


DISCONNECT = "from starlette.websockets import WebSocketDisconnect"


@pytest.mark.parametrize(
    "body",
    [
        'with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):\n        pass',
        (
            "with pytest.raises((KeyError, WebSocketDisconnect)) as e:\n"
            '        with client.websocket_connect("/") as s:\n            s.receive_text()'
        ),
        "with pytest.raises(WebSocketDisconnect):\n        session.receive_text()",
        "try:\n        session.receive_text()\n    except WebSocketDisconnect as e:\n        pass",
        (
            "with pytest.raises(WebSocketDisconnect):\n"
            '        with client.websocket_connect("/"):\n            assert False'
        ),
        "assert isinstance(e.value, WebSocketDisconnect)",
        "assert e.type is WebSocketDisconnect",
        "pytest.raises(WebSocketDisconnect, session.receive_text)",
    ],
)
def test_a_disconnect_that_a_test_expects_is_ours(body: str) -> None:
    expected = f"from asgi_testkit import WebSocketDisconnect\n\ndef test():\n    {body}\n"
    assert after(f"{DISCONNECT}\n\ndef test():\n    {body}\n") == expected


@pytest.mark.parametrize(
    "code",
    [
        "async def echo(websocket):\n    try:\n        pass\n    except WebSocketDisconnect:\n        pass",
        "def echo(x: WebSocket):\n    try:\n        pass\n    except WebSocketDisconnect:\n        pass",
        (
            "@app.websocket('/')\nasync def echo(x):\n    try:\n"
            "        pass\n    except WebSocketDisconnect:\n        pass"
        ),
        "@app.websocket\nasync def echo(x):\n    with pytest.raises(WebSocketDisconnect):\n        pass",
        "def test():\n    raise WebSocketDisconnect(1000)",
        "async def test():\n    with pytest.raises(WebSocketDisconnect):\n        await websocket.receive_text()",
        (
            "with pytest.raises(WebSocketDisconnect):\n"
            "    with client.websocket_connect('/') as s:\n        s.send_text('x')"
        ),
        (
            "with pytest.raises(WebSocketDisconnect):\n"
            "    with client.websocket_connect('/') as s:\n        assert s.receive_text()"
        ),
        "side_effects((WebSocketDisconnect)())",
    ],
)
def test_a_disconnect_of_an_app_stays(code: str) -> None:
    assert after(f"{DISCONNECT}\n{code}\n") == f"{DISCONNECT}\n{code}\n"


def test_two_disconnects_in_one_file_have_two_names() -> None:
    before = """
    from fastapi import FastAPI, WebSocket, WebSocketDisconnect

    @app.websocket("/")
    async def echo(websocket: WebSocket):
        try:
            pass
        except WebSocketDisconnect:
            pass

    def test():
        with pytest.raises(WebSocketDisconnect):
            session.receive_text()
    """
    expected = """
    import asgi_testkit
    from fastapi import FastAPI, WebSocket, WebSocketDisconnect

    @app.websocket("/")
    async def echo(websocket: WebSocket):
        try:
            pass
        except WebSocketDisconnect:
            pass

    def test():
        with pytest.raises(asgi_testkit.WebSocketDisconnect):
            session.receive_text()
    """
    assert after(before) == text(expected)


def test_a_denial_has_its_response() -> None:
    before = """
    from starlette.testclient import WebSocketDenialResponse

    def test(caught):
        with pytest.raises(WebSocketDenialResponse) as caught:
            pass
        assert caught.value.status_code == 401
        assert caught.value.code == 1000
        assert caught.type
        print(caught)
        try:
            pass
        except WebSocketDenialResponse as error:
            print(error.text, error)
        with pytest.raises(WebSocketDenialResponse):
            pass
        print(WebSocketDenialResponse)
    """
    expected = """
    from asgi_testkit import WebSocketDenied

    def test(caught):
        with pytest.raises(WebSocketDenied) as caught:
            pass
        assert caught.value.response.status_code == 401
        assert caught.value.code == 1000
        assert caught.type
        print(caught)
        try:
            pass
        except WebSocketDenied as error:
            print(error.response.text, error)
        with pytest.raises(WebSocketDenied):
            pass
        print(WebSocketDenied)
    """
    assert after(before) == text(expected)


def test_attributes_have_our_names() -> None:
    before = """
    from starlette.testclient import TestClient

    def test():
        client = TestClient(app)
        response = client.get("/")
        assert response.context["a"] == 1
        assert client.get("/").template.name == "x"
        with client.websocket_connect("/") as session:
            assert session.accepted_subprotocol == "v1"
        with TestClient(app) as entered:
            assert entered.app_state["db"]
        assert session.receive()
        assert other.receive()
        assert other.context
    """
    expected = """
    from asgi_testkit import TestClient

    def test():
        client = TestClient(app)
        response = client.get("/")
        assert response.extensions["http.response.debug"]["context"]["a"] == 1
        assert client.get("/").extensions["http.response.debug"]["template"].name == "x"
        with client.websocket_connect("/") as session:
            assert session.subprotocol == "v1"
        with TestClient(app) as entered:
            assert entered.state["db"]
        assert session.receive()
        assert other.receive()
        assert other.context
    """
    assert after(before) == text(expected)


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("from starlette.testclient import *", "import TestClient by its name"),
        ("import async_asgi_testclient", "see the page from-async-asgi-testclient"),
        ("from httpx_ws.transport import ASGIWebSocketTransport", "see the page httpx-ws"),
        ("patch('starlette.testclient.TestClient')", "is not used any more"),
        ("import starlette.testclient as tc; patch.object(tc, 'TestClient')", "has to do with Starlette's client"),
        (
            "import starlette.testclient; starlette.testclient.WebSocketDisconnect = X",
            "WebSocketDisconnect has to do with",
        ),
        ("from starlette.testclient import _is_asgi3; _is_asgi3(app)", "_is_asgi3 has to do with"),
        ("client.app_state", "client.app_state is client.state"),
        ("print(session.extra_headers)", "ours is session.headers"),
        ("def test(): assert session.receive() == {'type': 'websocket.close'}", "raises WebSocketDisconnect"),
    ],
)
def test_what_has_no_counterpart_is_told_of_in_its_line(line: str, sentence: str) -> None:
    head = (
        "from starlette.testclient import TestClient\nclient = TestClient(app)\n"
        "session = client.websocket_connect('/').__enter__()\n"
    )
    head = head.replace(
        "client.websocket_connect('/').__enter__()", "None\nwith client.websocket_connect('/') as session: pass"
    )
    [note] = told(head + line)
    assert note.startswith("5: ")
    assert sentence in note


def test_httpx_ws_without_its_transport_is_no_concern() -> None:
    before = "import httpx_ws\nx = 'starlette.testclient'\nprint('a starlette.testclient')\n"
    assert after(before) == before


def test_a_file_that_is_no_python_is_left_alone_and_told_of() -> None:
    assert told("x = 1\nx = = 2\n") == ["2: the file was left alone: it is not Python that can be read"]


def test_comments_blank_lines_and_line_ends_stay() -> None:
    before = "# head\r\nfrom starlette.testclient import TestClient  # theirs\r\n\r\nx = TestClient( app )# odd\r\n"
    assert after(before) == before.replace("starlette.testclient", "asgi_testkit")


ONE_LINERS = [
    (
        "if X: from httpx import ASGITransport, AsyncClient\nAsyncClient(transport=ASGITransport(app))",
        'if X: from asgi_testkit import AsyncClient\nAsyncClient(app, lifespan="off")',
    ),
    (
        (
            "from httpx import AsyncClient\nif X: from httpx import ASGITransport\n"
            "AsyncClient(transport=ASGITransport(app))"
        ),
        'from asgi_testkit import AsyncClient\nif X: pass\nAsyncClient(app, lifespan="off")',
    ),
    (
        "from httpx import AsyncClient, ASGITransport\nif X:\n    t = ASGITransport(app)\nAsyncClient(transport=t)",
        'from asgi_testkit import AsyncClient\nif X:\n    pass\nAsyncClient(app, lifespan="off")',
    ),
    (
        "from httpx import AsyncClient, ASGITransport\nif X: t = ASGITransport(app)\nAsyncClient(transport=t)",
        'from asgi_testkit import AsyncClient\nif X: pass\nAsyncClient(app, lifespan="off")',
    ),
    (
        "from httpx import AsyncClient, ASGITransport\nt = ASGITransport(app); AsyncClient(transport=t)",
        'from asgi_testkit import AsyncClient\nAsyncClient(app, lifespan="off")',
    ),
    (
        "from httpx import AsyncClient, ASGITransport\ndef f(t): return AsyncClient(transport=t)",
        (
            "from asgi_testkit import ASGITransport\nfrom httpx import AsyncClient\n"
            "def f(t): return AsyncClient(transport=t)"
        ),
    ),
    (
        (
            "from starlette.websockets import WebSocketDisconnect\n"
            "try: x[0](WebSocketDisconnect)\nexcept* WebSocketDisconnect: pass"
        ),
        (
            "import asgi_testkit\nfrom starlette.websockets import WebSocketDisconnect\n"
            "try: x[0](WebSocketDisconnect)\nexcept* asgi_testkit.WebSocketDisconnect: pass"
        ),
    ),
    (
        (
            "from httpx import AsyncClient, ASGITransport\n"
            "from httpx import ASGITransport as T\n\nT(app), ASGITransport(app), AsyncClient"
        ),
        (
            "from asgi_testkit import ASGITransport as T, ASGITransport\n"
            "from httpx import AsyncClient\n\nT(app), ASGITransport(app), AsyncClient"
        ),
    ),
]


@pytest.mark.parametrize("before, expected", ONE_LINERS)
def test_statements_that_share_a_line_are_edited_one_by_one(before: str, expected: str) -> None:
    assert after(before) == expected


def test_a_manager_that_the_block_uses_stays() -> None:
    before = """
    async def test():
        async with LifespanManager(app) as m, AsyncClient(transport=ASGITransport(m.app)) as client:
            print(m)
    """
    result = results({"test_it.py": HEAD + text(before)})["test_it.py"]
    assert "async with LifespanManager(app) as m, AsyncClient(m.app) as client:" in result.text


def test_one_sentence_about_a_line_is_enough() -> None:
    assert (
        len(told("from starlette.testclient import TestClient\nc = TestClient(app)\nc.app_state, c.app_state\n")) == 1
    )


def test_what_would_not_parse_is_not_written() -> None:
    def broken(suite: Suite) -> dict[Source, Edits]:
        [source] = suite.sources
        edits = Edits(source)
        edits.change(next(source.all(cst.Name)), lambda name: name.with_changes(value="def"))
        return {source: edits}

    [result] = migrated([File(Path("test_it.py"), "x = 1\n")], [broken])
    assert result.text == "x = 1\n"
    assert [note.line for note in result.notes] == [1]
    assert "what was to come of it is not Python" in result.notes[0].sentence


def test_comments_of_lines_that_go_stand_above_the_next() -> None:
    before = """
    from httpx import ASGITransport, AsyncClient
    # for the lifespan
    from asgi_lifespan import LifespanManager
    # for the account
    from starlette.testclient import TestClient

    async def test():
        # no network
        transport = ASGITransport(app)
        # the client
        async with AsyncClient(transport=transport) as client, LifespanManager(app):
            pass
        TestClient(app)

    async def other():
        # at the end
        transport = ASGITransport(app); x = 1
        AsyncClient(transport=transport)
    # one
    import starlette.testclient
    """
    expected = """
    from asgi_testkit import AsyncClient, TestClient
    # for the lifespan
    # for the account

    async def test():
        # no network
        # the client
        async with AsyncClient(app) as client:
            pass
        TestClient(app)

    async def other():
        # at the end
        x = 1
        AsyncClient(app, lifespan="off")
    # one
    import starlette.testclient
    """
    assert after(before) == text(expected)

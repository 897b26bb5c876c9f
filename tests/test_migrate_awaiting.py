"""``migrate --async``: blocking tests become async, with all that they call and the fixtures that they ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from asgi_testkit._tools.migrate.files import File
from asgi_testkit._tools.migrate.run import migrated, steps

from .migrations import after, results, text

HEAD = "from asgi_testkit import TestClient\n\n"
NEW_HEAD = "import pytest\nfrom asgi_testkit import AsyncClient\n\n"
BACKEND = '\n\n@pytest.fixture(scope="session")\ndef anyio_backend():\n    return "asyncio"\n'


def body_after(body: str) -> str:
    """Return what becomes of the body of a test that has a client, a session and a stream."""
    before = f"""
from asgi_testkit import TestClient

client = TestClient(app)


def test_it():
    with client.websocket_connect("/") as session, client.stream("GET", "/") as stream:
{body}
"""
    result = after(before, to_async=True)
    assert "async def test_it():\n    async with client.websocket_connect(" in result
    return result.partition(" as stream:\n")[2].partition("\n\n\n@pytest.fixture")[0].rstrip("\n")


BODIES = [
    ('client.get("/")', 'await client.get("/")'),
    ('x = client.post("/", json={}).json()', 'x = (await client.post("/", json={})).json()'),
    ('assert(client.get("/").status_code == 200)', 'assert((await client.get("/")).status_code == 200)'),
    ('assert(client.get("/"))', 'assert(await client.get("/"))'),
    ('client.get("/").headers["a"]["b"]', '(await client.get("/")).headers["a"]["b"]'),
    ('client.get("/")["a"]', '(await client.get("/"))["a"]'),
    ('f(client.get("/"), *[client.get("/")])', 'f(await client.get("/"), *[await client.get("/")])'),
    ("f\"{client.get('/').text}\"", "f\"{(await client.get('/')).text}\""),
    ('getattr(client, verb)("/").text', '(await getattr(client, verb)("/")).text'),
    ('get = client.get\n        get("/")', 'get = client.get\n        await get("/")'),
    ("client.send(request)", "await client.send(request)"),
    ("client.close()", "await client.aclose()"),
    ("client.build_request('GET', '/')", "client.build_request('GET', '/')"),
    ("x = [client.get(y) for y in z]", "x = [await client.get(y) for y in z]"),
    ("all(client.get(y) for y in z)", "all([await client.get(y) for y in z])"),
    ("sum(1 for y in z if client.get(y))", "sum([1 for y in z if await client.get(y)])"),
    ("any(y for y in client.get('/').json())", "any(y for y in (await client.get('/')).json())"),
    ("session.send_text('x')", "await session.send_text('x')"),
    ("assert session.receive_json(timeout=1) == {}", "assert await session.receive_json(timeout=1) == {}"),
    ("session.close(4000)", "await session.close(4000)"),
    ("session.subprotocol", "session.subprotocol"),
    ("for x in session:\n            print(x)", "async for x in session:\n            print(x)"),
    ("x = list(session)", "x = [part async for part in session]"),
    ("x = tuple(session)", "x = tuple([part async for part in session])"),
    ("x = [y for y in session]", "x = [y async for y in session]"),
    ("x = next(session)", "x = await anext(session)"),
    ("next(session, None).strip()", "(await anext(session, None)).strip()"),
    ("stream.read()", "await stream.aread()"),
    (
        "for x in stream.iter_lines():\n            print(x)",
        "async for x in stream.aiter_lines():\n            print(x)",
    ),
    ('b"".join(stream.iter_bytes())', 'b"".join([part async for part in stream.aiter_bytes()])'),
    ("next(stream.iter_raw())", "await anext(stream.aiter_raw())"),
    ("x = {y: 1 for y in stream.iter_text()}", "x = {y: 1 async for y in stream.aiter_text()}"),
    ('stream.extensions["asgi"].wait()', 'await stream.extensions["asgi"].wait()'),
    ("stream.status_code", "stream.status_code"),
    ("thing.wait()", "thing.wait()"),
    ("len(client.cookies)", "len(client.cookies)"),
    (
        "async def f(x):\n            pass\n        y = client.portal.call(f, 1).z",
        "async def f(x):\n            pass\n        y = (await f(1)).z",
    ),
    (
        "with client.portal.wrap_async_context_manager(f()) as x:\n            pass",
        "async with f() as x:\n            pass",
    ),
    (
        'with pytest.raises(E) as e, client.websocket_connect("/") as s:\n            s.receive()',
        (
            'with pytest.raises(E) as e:\n            async with client.websocket_connect("/") as s:\n'
            "                await s.receive()"
        ),
    ),
    (
        'with client.websocket_connect("/") as s, one(), two():\n            pass',
        'async with client.websocket_connect("/") as s:\n            with one(), two():\n                pass',
    ),
    (
        (
            "with (\n            one(),  # the first\n"
            '            client.websocket_connect("/"),\n        ):\n            pass'
        ),
        '# the first\n        with one():\n            async with client.websocket_connect("/"):\n                pass',
    ),
    ('with client.websocket_connect("/"): pass', 'async with client.websocket_connect("/"): pass'),
    ("with session: pass", "async with session: pass"),
    ("with open(x) as y: pass", "with open(x) as y: pass"),
    (
        "response = client.send(r, stream=True)\n        response.read()",
        "response = await client.send(r, stream=True)\n        await response.aread()",
    ),
    ("if (r := client.get('/')): r.json()", "if (r := await client.get('/')): r.json()"),
    ("(client if x else client).get('/')", "await (client if x else client).get('/')"),
    ("print(x for x in y)", "print(x for x in y)"),
]


@pytest.mark.parametrize("before, expected", BODIES)
def test_what_waits_is_awaited(before: str, expected: str) -> None:
    assert body_after(f"        {before}") == f"        {expected}"


@pytest.mark.parametrize(
    "before, expected",
    [
        ("TestClient(app)", "AsyncClient(app, follow_redirects=True)"),
        ("TestClient(app, follow_redirects=False)", "AsyncClient(app, follow_redirects=False)"),
        (
            "TestClient(app, 'http://t', False, cookies={})",
            "AsyncClient(app, base_url='http://t', raise_server_exceptions=False, cookies={}, follow_redirects=True)",
        ),
    ],
)
def test_a_client_is_made_as_before(before: str, expected: str) -> None:
    assert after(f"from asgi_testkit import TestClient\nclient = {before}\n", to_async=True) == (
        f"from asgi_testkit import AsyncClient\nclient = {expected}\n"
    )


def test_functions_and_fixtures_become_async_with_the_tests_that_use_them() -> None:
    files = {
        "conftest.py": """
            from collections.abc import Generator, Iterator
            import pytest
            from asgi_testkit import TestClient

            @pytest.fixture
            def client() -> Generator[TestClient, None, None]:
                with TestClient(app) as client:
                    yield client

            @pytest.fixture(name="token")
            def make_token(client: "TestClient") -> str:
                return client.post("/token").json()

            @pytest.fixture
            def untouched() -> Iterator[int]:
                yield 1
            """,
        "tools.py": """
            def login(client, user="ada"):
                return client.post("/login", data={"user": user}).status_code
            """,
        "test_it.py": """
            \"\"\"Tests.\"\"\"
            from .tools import login

            def helper(client, user):
                assert login(client, user=user) == 200

            class TestIt:
                def test_login(self, client):
                    self.check(client)
                    helper(client, "ada")

                def check(self, client):
                    assert client.get("/").text

                def test_token(self, token): ...
            """,
    }
    found = {name: result.text for name, result in results(files, to_async=True).items()}
    assert found["conftest.py"] == text(
        """
        from collections.abc import AsyncGenerator, Iterator
        import pytest
        from asgi_testkit import AsyncClient

        @pytest.fixture
        async def client() -> AsyncGenerator[AsyncClient, None]:
            async with AsyncClient(app, follow_redirects=True) as client:
                yield client

        @pytest.fixture(name="token")
        async def make_token(client: "AsyncClient") -> str:
            return (await client.post("/token")).json()

        @pytest.fixture
        def untouched() -> Iterator[int]:
            yield 1


        @pytest.fixture(scope="session")
        def anyio_backend():
            return "asyncio"
        """
    )
    assert found["tools.py"] == text(
        """
        async def login(client, user="ada"):
            return (await client.post("/login", data={"user": user})).status_code
        """
    )
    assert found["test_it.py"] == text(
        '''
        """Tests."""
        import pytest
        from .tools import login

        pytestmark = pytest.mark.anyio

        async def helper(client, user):
            assert await login(client, user=user) == 200

        class TestIt:
            async def test_login(self, client):
                await self.check(client)
                await helper(client, "ada")

            async def check(self, client):
                assert (await client.get("/")).text

            async def test_token(self, token): ...
        '''
    )


def test_context_managers_and_factories_are_followed() -> None:
    before = """
    import contextlib
    import pytest
    from asgi_testkit import TestClient

    @contextlib.contextmanager
    def opened(**options):
        with TestClient(app, **options) as client:
            yield client

    def made():
        return TestClient(app)

    @pytest.fixture
    def factory():
        def make(path):
            return made().get(path)
        return make

    def test_them(factory):
        with opened() as client:
            client.get("/")
        assert factory("/").status_code == 200
        assert made().get("/")

    def test_nothing(monkeypatch):
        assert made
    """
    expected = """
    import contextlib
    import pytest
    from asgi_testkit import AsyncClient

    @contextlib.asynccontextmanager
    async def opened(**options):
        async with AsyncClient(app, **options, follow_redirects=True) as client:
            yield client

    def made():
        return AsyncClient(app, follow_redirects=True)

    @pytest.fixture
    def factory():
        async def make(path):
            return await made().get(path)
        return make

    @pytest.mark.anyio
    async def test_them(factory):
        async with opened() as client:
            await client.get("/")
        assert (await factory("/")).status_code == 200
        assert await made().get("/")

    def test_nothing(monkeypatch):
        assert made


    @pytest.fixture(scope="session")
    def anyio_backend():
        return "asyncio"
    """
    assert after(before, to_async=True).replace(
        "import contextlib\nimport pytest", "import contextlib\nimport pytest"
    ) == text(expected)


MARKS = [
    ("anyio", "pytest.mark.anyio", "@pytest.fixture"),
    ("asyncio", "pytest.mark.asyncio", "@pytest_asyncio.fixture"),
]


@pytest.mark.parametrize("runner, mark, decorator", MARKS)
def test_each_runner_has_its_marks_and_fixtures(runner: str, mark: str, decorator: str) -> None:
    before = """
    import pytest
    from asgi_testkit import TestClient

    @pytest.fixture
    def client():
        with TestClient(app) as client:
            yield client

    # a comment
    def test_it(client): ...

    def test_other(): ...
    """
    result = after(before, to_async=True, runner=runner)
    assert f"# a comment\n@{mark}\nasync def test_it(client): ..." in result
    assert f"{decorator}\nasync def client():" in result
    assert ("import pytest_asyncio" in result) == (runner == "asyncio")
    assert ("def anyio_backend()" in result) == (runner == "anyio")
    assert "\ndef test_other(): ..." in result


def test_a_wide_fixture_of_pytest_asyncio_shares_the_loop_of_the_session() -> None:
    before = """
    import pytest
    import pytest_asyncio
    from asgi_testkit import TestClient

    @pytest.fixture(scope="module")
    def client():
        with TestClient(app) as client:
            yield client

    @pytest_asyncio.fixture
    def other(client):
        client.get("/")

    @pytest.mark.parametrize("x", [1])
    def test_it(client, x): ...

    @pytest.mark.asyncio
    async def test_async(): ...
    """
    result = after(before, to_async=True, runner="asyncio")
    assert '@pytest_asyncio.fixture(scope="module", loop_scope="session")\nasync def client' in result
    assert '@pytest_asyncio.fixture(loop_scope="session")\nasync def other' in result
    assert '@pytest.mark.asyncio(loop_scope="session")\n@pytest.mark.parametrize' in result


def test_a_fixture_for_all_gets_its_backend_from_anyio() -> None:
    before = """
    import pytest
    from asgi_testkit import TestClient

    client = TestClient(app)

    @pytest.fixture(autouse=True)
    def login():
        client.post("/login")

    @pytest.fixture(autouse=True)
    def logged(anyio_backend):
        client.post("/login")

    @pytest.fixture(autouse=True)
    def other(): ...

    def test_it(): ...
    """
    result = after(before, to_async=True)
    assert "async def login(anyio_backend):" in result
    assert "async def logged(anyio_backend):" in result
    assert "\ndef other(): ..." in result
    assert "async def test_it(): ..." in result


@pytest.mark.parametrize(
    "place",
    [
        '@pytest.mark.usefixtures("login")\ndef test_it(): ...',
        '@pytest.mark.usefixtures("login")\nclass TestIt:\n    def test_it(self): ...',
        'pytestmark = [pytest.mark.usefixtures("login"), pytest.mark.x]\ndef test_it(): ...',
    ],
)
def test_marks_that_ask_for_fixtures_count(place: str) -> None:
    before = f"""
import pytest
from asgi_testkit import TestClient

@pytest.fixture
def login():
    TestClient(app).post("/login")

{place}
"""
    assert "async def test_it(" in after(before, to_async=True)


@pytest.mark.parametrize(
    "name, settings, runner",
    [
        ("pyproject.toml", '[tool.pytest.ini_options]\nasyncio_mode = "auto"', "auto"),
        ("pyproject.toml", '[tool.pytest]\nasyncio_mode = "strict"', "anyio"),
        ("pyproject.toml", "[tool.ruff]\n", "anyio"),
        ("pyproject.toml", "no toml", "anyio"),
        ("pytest.ini", "[pytest]\nasyncio_mode = auto", "auto"),
        ("setup.cfg", "[tool:pytest]\nasyncio_mode = auto", "auto"),
        ("tox.ini", "[tox]\n", "anyio"),
    ],
)
def test_the_settings_name_the_runner(tmp_path: Path, name: str, settings: str, runner: str) -> None:
    (tmp_path / name).write_text(settings)
    source = (
        "import pytest\nfrom asgi_testkit import TestClient\n\n@pytest.fixture\ndef client():\n"
        "    with TestClient(app) as client:\n        yield client\n\ndef test_it(client): ...\n"
    )
    [result] = migrated([File(tmp_path / "test_it.py", source)], steps(to_async=True))
    assert ("pytest.mark.anyio" in result.text) == (runner == "anyio")
    assert "@pytest.fixture\nasync def client" in result.text
    assert "async def test_it" in result.text


def test_the_marks_of_a_suite_name_the_runner() -> None:
    before = """
    import pytest
    from asgi_testkit import TestClient

    client = TestClient(app)

    @pytest.mark.asyncio
    async def test_there_already():
        client.get("/")

    @pytest.mark.x
    def test_it():
        client.get("/")
    """
    result = after(before, to_async=True)
    assert "@pytest.mark.asyncio\n@pytest.mark.x\nasync def test_it" in result
    assert "@pytest.mark.asyncio\nasync def test_there_already():\n    await client.get" in result


def test_tests_that_were_anyios_go_on_as_they_did() -> None:
    before = """
    import pytest
    from asgi_testkit import TestClient

    @pytest.mark.anyio
    async def test_there_already(): ...

    def helper(client):
        client.get("/")

    def test_it():
        helper(TestClient(app))
    """
    result = after(before, to_async=True)
    assert '@pytest.mark.parametrize("anyio_backend", ["asyncio"])\n@pytest.mark.anyio\nasync def test_it' in result
    assert "def anyio_backend" not in result


def test_a_client_of_the_module_that_is_entered_is_made_in_the_test() -> None:
    before = """
    from asgi_testkit import TestClient

    client = TestClient(app)

    def test_one():
        with client:
            client.get("/")

    def test_two():
        with client as other:
            other.get("/")

    def test_bare():
        client.get("/")
    """
    result = after(before, to_async=True)
    assert 'async with AsyncClient(app, follow_redirects=True) as client:\n        await client.get("/")' in result
    assert 'async with AsyncClient(app, follow_redirects=True) as other:\n        await other.get("/")' in result


def test_a_coroutine_that_ran_in_a_loop_of_its_own_is_awaited() -> None:
    before = """
    import asyncio
    from asgi_testkit import TestClient

    def test_it():
        TestClient(app).get("/")
        assert asyncio.run(f()) == 1

    def test_blocking():
        assert asyncio.run(f()) == 1
    """
    result = after(before, to_async=True)
    assert "assert await f() == 1" in result
    assert "def test_blocking():\n    assert asyncio.run(f()) == 1" in result


OBSTACLES = [
    ("def test_it():\n    pytest.raises(E, client.get, '/')", "client.get is handed on"),
    ("def test_it():\n    f = lambda: client.get('/')", "a lambda cannot await"),
    (
        "def test_it():\n    def f():\n        client.get('/')\n    Thread(target=f).start()",
        "f() is handed on in line 8",
    ),
    ("def f():\n    client.get('/')\ndef test_it():\n    Thread(target=f).start()", "f() is handed on in line 8"),
    ("@strange\ndef test_it():\n    client.get('/')", "whether @strange works on async functions cannot be told"),
    ("@strange.very(1)\ndef test_it():\n    client.get('/')", "whether @strange.very works"),
    ("def odd(f): ...\n@odd\ndef test_it():\n    client.get('/')", "whether @odd works"),
    ("odd = strange(1)\n@odd\ndef test_it():\n    client.get('/')", "whether @odd works"),
    ("class TestIt(unittest.TestCase):\n    def test_it(self):\n        client.get('/')", "IsolatedAsyncioTestCase"),
    ("class TestIt:\n    def setup_method(self):\n        client.get('/')", "pytest awaits no setup_method()"),
    ("def setup_module():\n    client.get('/')", "pytest awaits no setup_module()"),
    ("class C:\n    def __call__(self):\n        client.get('/')", "Python awaits no __call__()"),
    ("def f():\n    yield client.get('/')", "f() is a generator"),
    ("x = client.get('/')", "nothing can be awaited while a module is imported"),
    ("def f():\n    return client.get('/')\nx = f()", "f() cannot be awaited while the module is imported"),
    ("def test_it():\n    client.portal.call(print, 1)", "await print(...) if it is an async function"),
    ("def test_it():\n    client.portal.start_task_soon(f)", "do without portal.start_task_soon()"),
    ("def test_it():\n    with client:\n        pass\n    client.get('/')", "an awaited client is entered once"),
]


@pytest.mark.parametrize("code, sentence", OBSTACLES)
def test_what_cannot_be_done_is_left_with_all_that_shares_its_client(code: str, sentence: str) -> None:
    head = "import pytest\nfrom asgi_testkit import TestClient\n\nclient = TestClient(app)\n"
    before = f"{head}{code}\n\ndef test_last():\n    client.get('/')\n"
    result = results({"test_it.py": before}, to_async=True)["test_it.py"]
    assert result.text == before
    assert any(sentence in note.sentence for note in result.notes)


@pytest.mark.parametrize(
    "code, sentence",
    [
        (
            "def test_it():\n    with ExitStack() as s:\n        c = s.enter_context(TestClient(app))",
            "an AsyncExitStack",
        ),
        ("def test_it():\n    TestClient(app, backend='trio').get('/')", "backend='trio' is the runner's business"),
    ],
)
def test_what_shares_nothing_with_it_becomes_async(code: str, sentence: str) -> None:
    head = "import pytest\nfrom asgi_testkit import TestClient\n\n"
    before = f"{head}{code}\n\ndef test_last():\n    TestClient(app).get('/')\n"
    result = results({"test_it.py": before}, to_async=True)["test_it.py"]
    assert code in result.text
    assert "async def test_last" in result.text
    assert "from asgi_testkit import AsyncClient, TestClient" in result.text
    assert [sentence in note.sentence for note in result.notes] == [True]


LEFT = [
    ("def test_it():\n    clients = [TestClient(app)]\n    clients[0].get('/')", "the client is put into a collection"),
    (
        "def test_it():\n    clients = {'a': TestClient(app)}\n    clients['a'].get('/')",
        "the client goes where its uses",
    ),
    ("def test_it():\n    thing.client = TestClient(app)", "the client is kept in thing.client"),
    ("def test_it():\n    x = TestClient(app), 1", "the client is put into a collection"),
    ("def test_it():\n    with TestClient(app).websocket_connect('/') as s:\n        check(s)", "s goes to check()"),
    ("def test_it():\n    api(TestClient(app))", "the client goes to api()"),
    ("def test_it():\n    apis[0](TestClient(app))", "the client goes to other code()"),
    ("def test_it(c=TestClient(app)):\n    c.get('/')", "the client goes where its uses"),
    ("class TestIt:\n    clients = [TestClient(app)]", "the client is put into a collection"),
    ("class Own(TestClient):\n    pass\ndef test_it():\n    Own(app).get('/')", "Own stays blocking"),
    ("make = partial(TestClient, app)\ndef test_it():\n    make().get('/')", "TestClient is handed on"),
]


@pytest.mark.parametrize("code, sentence", LEFT)
def test_a_client_that_goes_out_of_sight_stays_blocking(code: str, sentence: str) -> None:
    before = f"from asgi_testkit import TestClient\n\n{code}\n"
    result = results({"test_it.py": before}, to_async=True)["test_it.py"]
    assert result.text == before
    assert any(sentence in note.sentence for note in result.notes)


def test_parts_of_what_is_returned_are_followed() -> None:
    before = """
    import pytest
    from asgi_testkit import TestClient

    def make():
        client = TestClient(app)
        return app, client

    @pytest.fixture
    def both():
        yield app, TestClient(app)

    @contextmanager
    def opened(x):
        yield 1, 2

    def test_them(both):
        app, client = make()
        client.get("/")
        _, other = both
        other.get("/")
        one, two = TestClient(app), 1
        one.get("/")
        three, four, five = one, two
        (six,) = [1]
        [seven] = make()
        with opened() as (eight, nine): eight.get("/")
        for x, y in z: x.get("/")
        eleven, _ = something[0]
    """
    result = after(before, to_async=True)
    for name in ("client", "other", "one"):
        assert f'await {name}.get("/")' in result
    for name in ("eight", "x"):
        assert f' {name}.get("/")' in result
        assert f"await {name}.get" not in result


def test_a_client_that_an_object_keeps_is_followed() -> None:
    before = """
    from asgi_testkit import TestClient, WebSocketSession
    from x import Imported

    class Base:
        client: TestClient = None
        other = None

        def setup_method(self):
            self.client, self.x = TestClient(app), 1
            self.other = TestClient(app)

        def check(self):
            self.other.get("/")

    class TestIt(Base, other.Base, Imported):
        shared = TestClient(app)

        def test_it(self):
            self.check()
            self.other.get("/")
            self.shared.get("/")
            self.nothing.get("/")

    def listen(session: WebSocketSession):
        session.receive_text()

    self.x.y()
    """
    result = after(before, to_async=True)
    assert "self.other = AsyncClient(app, follow_redirects=True)" in result
    assert "async def check(self):\n        await self.other" in result
    assert "await self.check()\n        await self.other.get" in result
    assert "        await self.shared.get" in result
    assert "        self.nothing.get" in result
    assert "async def listen(session: AsyncWebSocketSession)" in result


def test_a_client_that_a_module_shares_with_others_is_followed() -> None:
    files = {
        "__init__.py": "",
        "tools.py": (
            "import pytest\nfrom asgi_testkit import TestClient\n\nclient = TestClient(app)\nslow = pytest.mark.slow\n"
        ),
        "test_one.py": """
            from .tools import client, slow
            from tests import missing
            from . import nothing

            @slow
            def test_it():
                client.get("/")

            @nothing
            def test_other():
                with client:
                    pass
            """,
        "test_two.py": """
            from tests.tools import client

            def test_it():
                client.get("/")
            """,
    }
    found = results(files, to_async=True)
    assert all(result.text == text(files[name]) for name, result in found.items())
    [note] = found["test_one.py"].notes
    assert "an awaited client is entered once" in note.sentence
    files["test_one.py"] = files["test_one.py"].replace("with client:\n                    pass", "pass")
    found = results(files, to_async=True)
    assert "client = AsyncClient(app, follow_redirects=True)" in found["tools.py"].text
    assert "@slow\nasync def test_it():\n    await client" in found["test_one.py"].text
    assert "async def test_it():\n    await client" in found["test_two.py"].text


def test_what_has_nothing_to_do_with_it_stays() -> None:
    before = """
    import time
    from functools import partial
    import pytest
    from asgi_testkit import TestClient

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.fixture
    def client() -> Thing[int]:
        with TestClient(app) as client:
            yield client

    client()
    key = lambda client: client.name

    @pytest.mark.anyio
    def test_it(client):
        assert isinstance(client, TestClient)
        with client.websocket_connect("/") as session:
            other(x for x in y)
            f = lambda client: client.x
        local = TestClient(app)
        with local:
            pass
        with f() as g:
            pass

    def test_blocking():
        time.sleep(1)

    def test_second(client):
        client.get("/")

    pytest.mark.usefixtures(*names)
    """
    result = after(before, to_async=True)
    assert "async def client() -> Thing[int]:" in result
    assert "assert isinstance(client, AsyncClient)" in result
    assert "def test_blocking():\n    time.sleep(1)" in result
    assert result.count("@pytest.mark.anyio") == 2
    assert result.count("def anyio_backend") == 1


def test_a_generator_of_one_type_keeps_its_annotation() -> None:
    before = """
    from typing import Generator
    from asgi_testkit import TestClient
    import pytest

    @pytest.fixture
    def client() -> Generator[TestClient]:
        with TestClient(app) as client:
            yield client
    """
    assert "async def client() -> AsyncGenerator[AsyncClient]:" in after(before, to_async=True)


def test_a_test_that_sleeps_is_told_of() -> None:
    before = """
    import time
    from asgi_testkit import TestClient

    def test_it():
        TestClient(app).get("/")
        time.sleep(1)
    """
    result = results({"test_it.py": before}, to_async=True)["test_it.py"]
    assert [note.sentence.partition(",")[0] for note in result.notes] == ["time.sleep() stops the loop"]

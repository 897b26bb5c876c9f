"""The projects: every release is pinned, and what its tests need is written down here, once."""

from __future__ import annotations

from .project import Project

PYTEST = "pytest>=9,<10 pytest-xdist"
OLD_PYTEST = "pytest>=8,<9 pytest-xdist"
STARLETTE = "starlette==1.10.0"
FASTAPI = f"fastapi==0.165.0 {STARLETTE}"
HTTPX = "httpx==0.28.1"  # the pre-releases of 1.0 have no ASGITransport
HTTPX2 = "httpx2==2.16.2"

PROJECTS = [
    Project(
        "starlette",
        "1.10.0",
        extras="[full]",
        # Without zstd, which is expected in accept-encoding, four tests fail.
        requires=f"{PYTEST} httpx2[zstd]==2.16.2 blockbuster importlib-metadata opentelemetry-sdk trio",
        sliced="tests/test_testclient.py tests/test_websockets.py tests/test_applications.py tests/test_requests.py",
        parallel=True,
    ),
    Project(
        "starlette",
        "0.49.3",
        extras="[full]",
        requires=f"{OLD_PYTEST} {HTTPX} anyio<4.15 blockbuster importlib-metadata trio typing-extensions",
        parallel=True,
    ),
    Project(
        "fastapi",
        "0.165.0",
        extras="[all]",
        requires=STARLETTE,
        groups=("tests",),
        tests="tests scripts",
        sliced=(
            "tests/test_application.py tests/test_router_events.py tests/test_ws_dependencies.py "
            "tests/test_async_dependency_cleanup.py tests/test_dependency_contextmanager.py "
            "tests/test_request_body_limits.py tests/test_security_api_key_cookie.py "
            "tests/test_ws_router.py tests/test_tutorial/test_websockets"
        ),
        arguments=("-p", "no:sugar", "-p", "no:codspeed"),
        parallel=True,
    ),
    Project(
        "httpx-ws",
        "0.9.0",
        requires=f"{PYTEST} {HTTPX} {STARLETTE} trio uvicorn[standard] pytest-cov",
        tests="tests/test_transport.py",
        arguments=("--no-cov",),
    ),
    Project(
        "asgi-lifespan",
        "2.1.0",
        requires=f"{OLD_PYTEST} {HTTPX} starlette<1 trio exceptiongroup pytest-asyncio pytest-trio pytest-cov",
        arguments=("--no-cov",),
    ),
    Project(
        "sse-starlette",
        "3.4.1",  # the sdists of later ones leave out conftest.py
        requires=f"{PYTEST} {HTTPX} {HTTPX2} {STARLETTE} asgi-lifespan==2.1.0 pytest-asyncio uvicorn",
        arguments=("-m", "not integration and not experimentation"),
    ),
    Project(
        "opentelemetry-instrumentation-fastapi",
        "0.66b1",
        extras="[instruments]",
        requires=f"{PYTEST} {FASTAPI} {HTTPX2} opentelemetry-test-utils==0.66b1",
    ),
    Project(
        "sentry-sdk",
        "2.75.0",
        requires=(
            f"{PYTEST} {FASTAPI} {HTTPX2} python-multipart jinja2 brotli jsonschema werkzeug "
            "pytest-localserver pytest-asyncio pytest-forked pytest-cov"
        ),
        tests="tests/integrations/starlette tests/integrations/fastapi",
        arguments=("--no-cov",),
    ),
    Project(
        "cadwyn",
        "9.0.0",
        extras="[standard]",
        requires=(
            f"{PYTEST} {FASTAPI} {HTTPX} {HTTPX2} svcs~=24.1.0 pytest-fixture-classes dirty-equals better-devtools "
            "inline-snapshot pydantic-settings python-multipart sqlalchemy sqlmodel fastapi-pagination uvicorn"
        ),
        parallel=True,
    ),
    Project(
        "baize",
        "0.23.1",
        requires=f"{PYTEST} {STARLETTE} {HTTPX} {HTTPX2} pytest-asyncio",
        tests="tests/test_asgi.py",
    ),
    Project(
        "starlette-exporter",
        "0.24.0",
        requires=f"{PYTEST} {STARLETTE} {HTTPX}",
        supplies={"tests/static/test.txt": ""},
    ),
    Project(
        "fastapi-users",
        "15.0.5",
        extras="[sqlalchemy,oauth,redis]",
        requires=f"{PYTEST} {FASTAPI} {HTTPX} asgi-lifespan==2.1.0 pytest-asyncio pytest-mock",
        tests=(  # the others have no client, and take their time for hashing passwords
            "tests/test_openapi.py tests/test_router_auth.py tests/test_router_oauth.py tests/test_router_register.py "
            "tests/test_router_reset.py tests/test_router_users.py tests/test_router_verify.py"
        ),
    ),
    Project(
        "mcp",
        "2.3.0",
        extras="[cli]",
        requires=(
            f"{PYTEST} {STARLETTE} trio dirty-equals inline-snapshot pytest-examples pytest-flakefinder pytest-pretty "
            "logfire opentelemetry-sdk blockbuster coverage pillow"
        ),
        tests="tests/client tests/issues tests/server tests/shared tests/interaction/auth tests/interaction/transports",
    ),
]

"""What all tests here share."""

import pytest


# Async tests and async fixtures are run by anyio's pytest plugin, which comes with asgi-testkit: there is nothing to
# install. It asks this fixture which event loop to use. Without it, tests would run on every loop that is installed:
# on asyncio, and on trio if you have it.
@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"

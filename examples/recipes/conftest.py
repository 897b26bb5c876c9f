"""What all tests here share."""

import pytest
from hypothesis import settings

# Random cases that are the same in each run, and are not kept: a run of this suite ends as the one before.
settings.register_profile("recipes", max_examples=50, derandomize=True, database=None, deadline=None)
settings.load_profile("recipes")


# Async tests are run by anyio's plugin, on this event loop; those of test_looptime.py by pytest-asyncio.
@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tell anyio's plugin which event loop to use."""
    return "asyncio"

"""The drop-in for Starlette's test client, which `asgi_testkit.starlette` exports."""

"""What stands behind `asgi_testkit.starlette`, the drop-in for Starlette's test client."""

"""What ``python -m asgi_testkit`` does: one request from the shell, and moving a suite to this package.

Nothing else in the package imports it.
"""

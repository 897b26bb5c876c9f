"""Other people's suites: run natively and with `--asgi-testkit`, and compared. On demand: `nox -s downstream`."""

"""A suite of 200 tests, and the app that it tests."""

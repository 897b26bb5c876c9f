"""The blocking client: its event loop runs in another thread, and each call waits for that.

It may import the rooms before it: `_protocol`, `_conversation` and `_client`.
"""

"""The same from a thread that may wait, with a loop in another thread: transport, client and session.

It may import the rooms before it: `_protocol`, `_conversation` and `_client`.
"""

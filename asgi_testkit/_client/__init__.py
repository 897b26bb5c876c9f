"""The conversation as httpx, or httpx2, has it: transport, requests, responses, cookies, the awaited client, a session.

`library` alone asks which of the two it is. Nothing here knows threads. It may import `_protocol` and `_conversation`.
"""

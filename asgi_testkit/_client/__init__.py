"""The awaited client for httpx or httpx2: transport, requests, responses, cookies, WebSocket session.

`library` alone asks which of the two it is. Nothing here knows threads. It may import `_protocol` and `_conversation`.
"""

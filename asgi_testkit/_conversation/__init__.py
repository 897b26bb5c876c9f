"""One call of an app, in a task of its own, and the client at the other end. Every wait ends.

It knows no HTTP library: what a request brings are plain values, and what goes wrong is a `Trouble`, for which the room
after it has the library's exceptions. `loop`, `wakeup` and `task` alone know asyncio and trio, `wire` alone knows
wsproto. It may import `_protocol`.
"""

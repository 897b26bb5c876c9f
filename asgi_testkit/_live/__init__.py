"""Runs an app on a real server in the test's own loop: the server calls the app, and the client goes over a socket.

Here is what starts and stops a server, what it serves, and what takes the app's place in the client. It knows the
servers, and httpcore, which is httpx's own way to a socket; it imports conversations and what they import.
"""

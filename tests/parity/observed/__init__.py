"""What servers were seen to do, what the client does, and where the two differ on purpose.

A case is an app of a few steps, and what a client does. It is played in several worlds: on real servers, by plain
sockets (`live`), and in-process, by the client under test. What either end saw is told in one line, and
``observed.json`` holds the lines: ``nox -s parity`` writes it, and the tables of the docs, and nobody edits it.

The tables of `tests.parity` beside this compare messages in more detail, on the servers that run in a test's own loop.
"""

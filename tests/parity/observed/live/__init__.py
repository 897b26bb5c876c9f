"""Plays cases on real servers, each in a process of its own, by plain sockets. ``nox -s parity`` runs it."""

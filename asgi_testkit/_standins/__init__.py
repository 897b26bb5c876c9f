"""What takes the place of other packages' test clients, and what replaces their names under ``pytest --asgi-testkit``.

Each module imports the package that it stands in for. It may import all other rooms.
"""

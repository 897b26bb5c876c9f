"""What an app and a client may say to each other: tables and pure functions.

Nothing here waits, reads or writes. It may import `_types` and `_errors`, and no library but the standard one.
"""

"""What goes on between clients and apps, kept as text for whoever reads a failing test.

It listens to conversations, and nothing here waits or speaks. It may import `_protocol` and `_conversation`.
"""

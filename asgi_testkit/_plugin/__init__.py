"""What the pytest plugin does once a test asks for it; its door, `pytest_plugin`, imports nothing of this before.

It alone, with the door, knows pytest. It may import `_protocol`, `_conversation`, `_record`, `_client` and `_blocking`.
"""

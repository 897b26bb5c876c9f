"""What the pytest plugin does once a test asks for it; before, its door, `pytest_plugin`, imports `chaos` alone.

It alone, with the door, knows pytest. It may import `_protocol`, `_conversation`, `_record`, `_live`, `_client` and
`_blocking`.
"""

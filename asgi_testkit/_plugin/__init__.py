"""What the pytest plugin does once a test asks for it; before, its door imports `chaos` and `openapi_options` alone.

It alone, with the door, `pytest_plugin`, knows pytest. It may import `_protocol`, `_conversation`, `_record`,
`_contract`, `_live`, `_client` and `_blocking`.
"""

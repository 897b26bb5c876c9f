"""Holds what goes on in conversations against the OpenAPI document of the app.

It listens, as `_record` does, and knows no HTTP library and no pytest. It alone knows jsonschema-rs, which the extra
``asgi-testkit[openapi]`` brings.
"""

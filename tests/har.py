"""Checks that a HAR has the form which its specification asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads(Path(__file__).with_name("har_1_2_schema.json").read_text(encoding="utf-8"))


def checked(har: dict[str, Any]) -> dict[str, Any]:
    """Return a HAR that has that form."""
    jsonschema.validate(har, SCHEMA, jsonschema.Draft202012Validator)
    return har

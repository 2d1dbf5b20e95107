"""The JSON schema of ``sidewall.toml``, for editors and for people.

Knows: the schema's classes.  Must not know: what they mean to a policy.  Follows JSON Schema, draft 2020-12.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sidewall.config.schema import Document


def json_schema() -> dict[str, Any]:
    """The schema as plain data, the same on every call."""
    made: dict[str, Any] = msgspec.json.schema(Document)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sidewall.toml",
        "description": "What commands may do inside the Sidewall sandbox.",
        **made,
    }

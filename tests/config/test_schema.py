"""The JSON schema says of a document what the reader says, as far as a schema can.

Knows: the schema as data.  Must not know: what a policy makes of a document.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidewall.config.complaints import example
from sidewall.config.jsonschema import json_schema
from sidewall.config.schema import SECTIONS
from sidewall.policy.model import GIT_MODES, GUARANTEES, NETWORK_MODES

SCHEMA = json_schema()


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        part = SCHEMA["$defs"][name]
    if "allOf" in part and len(part["allOf"]) == 1:
        return resolved(part["allOf"][0])
    return part


def test_it_is_json_and_names_its_draft() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"].endswith("2020-12/schema")
    assert json_schema() == SCHEMA


def test_unknown_keys_are_refused_everywhere_and_every_key_is_explained() -> None:
    document = resolved(SCHEMA)
    assert document["required"] == ["schema"]
    for name, section in SECTIONS.items():
        table = resolved(document["properties"][name]) if name else document
        assert table["additionalProperties"] is False
        assert set(table["properties"]) == set(section.__struct_fields__)
        for key, part in table["properties"].items():
            dotted = f"{name}.{key}" if name else key
            assert example(dotted), f"{dotted} has no example"
            assert part.get("description") or resolved(part).get("description"), dotted


def test_words_are_those_of_the_policy() -> None:
    document = resolved(SCHEMA)["properties"]
    network, protect = resolved(document["network"])["properties"], resolved(document["protect"])["properties"]
    assert sorted(network["mode"]["enum"]) == sorted(NETWORK_MODES)
    assert sorted(protect["git"]["enum"]) == sorted(GIT_MODES)
    words = {word for option in document["require"]["anyOf"] for word in option.get("enum", option.get("items",
    {}).get("enum", ()))}
    assert words == {*GUARANTEES, "all", "none"}


@pytest.mark.parametrize("name", [name for name in SECTIONS if name])
def test_a_section_may_be_empty(name: str) -> None:
    assert resolved(resolved(SCHEMA)["properties"][name]).get("required", []) == []

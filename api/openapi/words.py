"""The small words of the OpenAPI document: JSON Schema 2020-12, as OpenAPI 3.1 has it. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Schema = dict[str, Any]

# Formats of ours; a client that does not know them reads plain text.
DAY, ZONE, SORT, QUESTION = "date-or-date-time", "iana-time-zone", "sort-keys", "question-column"
CRON, RRULE, EVERY, LINE, RECEIVER = "cron", "rrule", "duration-of-minutes", "line", "webhook-address"

BOOLEAN: Schema = {"type": "boolean"}
NULL: Schema = {"type": "null"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
ID: Schema = {"type": "string", "format": "uuid"}
COUNT: Schema = {"type": "integer", "minimum": 0}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str = "", **more: Any) -> Schema:
    return {"type": "string", **({"description": description} if description else {}), **more}


def choice(values: Iterable[Any], description: str = "", **more: Any) -> Schema:
    """Strings, one of which it is."""
    return text(description, enum=list(values), **more)


def array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def nullable(schema: Schema) -> Schema:
    """Null is the same as leaving it out; in an answer, that there is none."""
    if "enum" not in schema and isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], NULL]}
    return {"anyOf": [schema, NULL]}


def described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


def taken(properties: Mapping[str, Schema], required: Iterable[str] = (), **more: Any) -> Schema:
    """An object that we take: a key that it does not name is refused."""
    found = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    needed = list(required)
    return {**found, **({"required": needed} if needed else {}), **more}


def given(properties: Mapping[str, Schema], **more: Any) -> Schema:
    """An object that we give: every key is there, and later versions may add some."""
    return {"type": "object", "properties": dict(properties), "required": list(properties), **more}

"""Base class and field types for query parameters, and the encoding of cursors."""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Request
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from api.web.strict_json import check_text
from flows.errors import FieldError, InvalidRequest, escape_pointer
from flows.query.request_fields import NO_NUL

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
MAX_SEARCH_LENGTH = 200


class QueryModel(BaseModel):
    """Base class for query parameter models. Unknown parameters are rejected."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


@dataclass(frozen=True)
class WholeNumber:
    """Annotation for a query parameter that is a whole number from 1 to `largest`."""

    largest: int
    default: int

    def read(self, value: object) -> int:
        text = str(value)
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= self.largest):
            detail = "Must be a whole number from 1 to {largest}."
            raise PydanticCustomError("range", detail, {"largest": f"{self.largest:,}"})
        return int(text)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        return {"type": "integer", "minimum": 1, "maximum": self.largest, "default": self.default}


Limit = Annotated[int, WholeNumber(MAX_LIMIT, DEFAULT_LIMIT), Field(description="Maximum number of items.")]


def _read_search(text: str) -> str:
    if len(text.strip()) > MAX_SEARCH_LENGTH:
        detail = "Must have at most {length} characters."
        raise PydanticCustomError("range", detail, {"length": MAX_SEARCH_LENGTH})
    return text.strip()


SearchText = Annotated[
    str,
    AfterValidator(_read_search),
    WithJsonSchema({"type": "string", "maxLength": MAX_SEARCH_LENGTH, "pattern": NO_NUL}),
]
NEXT_PAGE = "`nextCursor` of the previous page."


async def each_parameter_once(request: Request) -> None:
    """Raise InvalidRequest for repeated parameters, NUL characters and lone surrogates."""
    check_parameters(request.query_params.multi_items())


def check_parameters(items: Sequence[tuple[str, str]], may_repeat: frozenset[str] = frozenset()) -> None:
    for name, text in items:
        check_text(name + text, f"/{escape_pointer(name)}")
    counts = Counter(name for name, _ in items)
    repeated = [name for name, count in counts.items() if count > 1 and name not in may_repeat]
    if repeated:
        detail = "The parameter is given twice."
        raise InvalidRequest(
            [FieldError(f"/{escape_pointer(name)}", "duplicate", detail) for name in repeated]
        )


def to_offset_cursor(offset: int | None) -> str | None:
    return to_cursor(str(offset).encode()) if offset is not None else None


def from_offset_cursor(text: str) -> int:
    """Return the offset that the cursor contains.

    Raises ValueError for a malformed cursor.
    """
    content = from_cursor(text)
    if not re.fullmatch(rb"[0-9]{1,6}", content):
        raise ValueError("the cursor is malformed")
    return int(content)


def to_cursor(content: bytes) -> str:
    """Encode the content as URL-safe Base64 without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def from_cursor(text: str) -> bytes:
    """Decode URL-safe Base64 without padding.

    Raises ValueError for a malformed cursor.
    """
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):  # ValueError if the text is not ASCII
        raise ValueError("the cursor is malformed") from None


class OffsetQuery(QueryModel):
    """Query parameters for offset pagination, used for lists that come from Prefect."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Annotated[int, PlainValidator(from_offset_cursor), WithJsonSchema({"type": "string"})] = Field(
        0, description=NEXT_PAGE
    )

"""Ids of exports and schedules: UUIDs, as the API returns them."""

import re
from typing import Annotated

from fastapi import Path
from pydantic import WithJsonSchema
from starlette.convertors import Convertor, register_url_convertor

PATTERN = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ID = re.compile(PATTERN, re.ASCII)
UUID_SCHEMA = {"type": "string", "format": "uuid", "pattern": f"^{PATTERN}$"}

# FastAPI does not check these, so that a malformed id is answered like an unknown one.
ExportId = Annotated[str, WithJsonSchema(UUID_SCHEMA), Path(alias="id", description="Id of the export.")]
ScheduleId = Annotated[str, WithJsonSchema(UUID_SCHEMA), Path(alias="id", description="Id of the schedule.")]


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


class IdConvertor(Convertor[str]):
    """`{id:id}` in a path; `preview` and `dry-run` are paths of their own, not ids."""

    regex = "(?!(?:preview|dry-run)(?:/|$))[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", IdConvertor())

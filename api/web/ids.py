"""Path parameters for the ids of exports and schedules, which are UUIDs."""

import re
from typing import Annotated

from fastapi import Path
from pydantic import WithJsonSchema
from starlette.convertors import Convertor, register_url_convertor

PATTERN = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ID = re.compile(PATTERN, re.ASCII)
UUID_SCHEMA = {"type": "string", "format": "uuid", "pattern": f"^{PATTERN}$"}

# FastAPI does not check the pattern, so malformed ids get the same 404 response as unknown ones.
ExportId = Annotated[str, WithJsonSchema(UUID_SCHEMA), Path(alias="id", description="Id of the export.")]
ScheduleId = Annotated[str, WithJsonSchema(UUID_SCHEMA), Path(alias="id", description="Id of the schedule.")]


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


class IdConvertor(Convertor[str]):
    """Path convertor for `{id:id}`.

    It does not match `preview` or `dry-run`, because these are separate routes.
    """

    regex = "(?!(?:preview|dry-run)(?:/|$))[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", IdConvertor())

"""What signed links lead to when the storage is a folder."""

from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from api.context import context_of
from api.web.problems import Problem
from flows.formats.registry import media_type_of
from flows.storage.folder import FolderStorage

router = APIRouter()


@router.get("/files/{job_id}/{name}", include_in_schema=False)
async def file(job_id: str, name: str, request: Request) -> Response:
    """What a signed link leads to when the storage is a folder."""
    context = context_of(request)
    if not isinstance(context.storage, FolderStorage):
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such file.")
    given = request.query_params
    expires, disposition, signature = (
        given.get(part, "") for part in ("expires", "disposition", "signature")
    )
    try:
        key = f"{job_id}/{name}"
        path = context.storage.verify_link(key, expires, disposition, signature, datetime.now(UTC))
    except PermissionError as error:
        raise Problem(HTTPStatus.FORBIDDEN, str(error)) from None
    if not path.is_file():
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such file.")
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
    return FileResponse(path, media_type=media_type_of(key), headers=headers)

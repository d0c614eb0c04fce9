"""Serve files from a local folder through signed links."""

from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from api.access import audit
from api.dependencies import ContextDep
from api.web.problems import Refusal
from flows.formats.registry import media_type_of
from flows.storage.folder import FolderStorage

router = APIRouter()


@router.get("/files/{job_id}/{name}", operation_id="downloadFile", include_in_schema=False)
async def read_file(
    job_id: str,
    name: str,
    context: ContextDep,
    expires: str = "",
    disposition: str = "",
    signature: str = "",
) -> Response:
    if not isinstance(context.storage, FolderStorage):
        raise Refusal(HTTPStatus.NOT_FOUND, "The file does not exist.")
    key = f"{job_id}/{name}"
    audit.note(file=key)
    try:
        path = context.storage.verify_link(key, expires, disposition, signature, datetime.now(UTC))
    except PermissionError as error:
        raise Refusal(HTTPStatus.FORBIDDEN, str(error)) from None
    if not path.is_file():
        raise Refusal(HTTPStatus.NOT_FOUND, "The file does not exist.")
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
    return FileResponse(path, media_type=media_type_of(key), headers=headers)

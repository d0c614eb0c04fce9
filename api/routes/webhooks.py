"""What receivers of webhooks verify them with."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api.context import caller_of, context_of
from api.openapi import operations
from api.schedules import notify
from api.web.problems import Problem

router = APIRouter(tags=["recurring exports"])


@router.get(
    "/webhook-secret",
    operation_id="getWebhookSecret",
    summary="The key that my webhooks are signed with",
    openapi_extra=operations.GET_WEBHOOK_SECRET,
)
async def webhook_secret(request: Request) -> Response:
    """As Standard Webhooks' libraries take it. Each caller has one of their own."""
    context, caller = context_of(request), caller_of(request)
    secrets = context.settings.webhook_secrets
    if secrets is None:
        raise Problem(HTTPStatus.NOT_FOUND, notify.OFF)
    return JSONResponse(
        {"secret": secrets.signing_secret(caller.name)}, headers={"Cache-Control": "no-store"}
    )

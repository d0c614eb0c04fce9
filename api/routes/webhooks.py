"""Endpoint that returns the secret for verifying webhooks."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from api.dependencies import CallerDep, ContextDep
from api.schedules.answers import WebhookSecret
from api.schedules.notify import OFF
from api.web.problems import Refusal
from api.web.responses import refusals

router = APIRouter(tags=["schedules"])


@router.get(
    "/webhook-secret",
    operation_id="getWebhookSecret",
    summary="Get the secret that signs my webhooks",
    response_model=WebhookSecret,
    response_description="The secret.",
    responses=refusals(404),
)
async def read_webhook_secret(caller: CallerDep, context: ContextDep, response: Response) -> WebhookSecret:
    """Return the caller's signing secret in the format of Standard Webhooks."""
    secrets = context.settings.webhook_secrets
    if secrets is None:
        raise Refusal(HTTPStatus.NOT_FOUND, OFF)
    response.headers["Cache-Control"] = "no-store"
    return WebhookSecret(secret=secrets.signing_secret(caller.name))

"""Deliver one webhook to one URL.

The runs of this flow serve as the delivery log. The state of a run contains the receiver's response, and the
run count is the number of attempts.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows import logs
from flows.errors import AddressForbidden, DeliveryError, ReceiverGone, ReceiverRefused, SecretMissing
from flows.runs import final_states, flow_names
from flows.runs.retry_later import retry_later
from flows.settings import Settings
from flows.webhooks.address import InvalidAddress, parse_address
from flows.webhooks.message import ANSWERED, Message, encode_message, message_id, signed_headers
from flows.webhooks.sender import post
from flows.webhooks.signing_keys import UnsealError

RETRY_DELAY_FACTOR = 4
GONE = 410


@flow(name=flow_names.DELIVER, persist_result=False, validate_parameters=False)
def deliver_webhook(message: Message, address: dict[str, str], caller: str) -> State[Any]:
    """Deliver `message`, and schedule a retry if the delivery fails.

    `address` contains the host and the encrypted URL. The message is signed with the key of `caller`.
    """
    settings = Settings()
    run_id, attempt = UUID(flow_run.id), flow_run.run_count
    logs.bind_run(settings.log_format, job=str(run_id), caller=caller)
    try:
        status = send_webhook(message, address["sealed"], caller, run_id, settings, datetime.now(UTC))
    except DeliveryError as error:
        if error.retryable and attempt < settings.webhook_attempts:
            delay = timedelta(seconds=settings.webhook_retry_seconds * RETRY_DELAY_FACTOR ** (attempt - 1))
            retry_later(run_id, attempt, f"{error.code}: {error}", delay, datetime.now(UTC))
        return final_states.failed(error.code, str(error))
    return Completed(message=ANSWERED.format(status))


def send_webhook(
    message: Message, sealed: str, caller: str, run_id: UUID, settings: Settings, now: datetime
) -> int:
    """Send the webhook and return the status code of the response.

    Raises DeliveryError unless the status code is 2xx.
    """
    secrets = settings.webhook_secrets
    if secrets is None:
        raise SecretMissing
    try:
        address = parse_address(secrets.unseal(sealed), settings.private_webhook_hosts)
    except UnsealError:
        raise SecretMissing from None
    except InvalidAddress:  # The operator may no longer allow this host.
        raise AddressForbidden from None
    body = encode_message(message)
    headers = signed_headers(message_id(run_id), body, secrets.signing_keys(caller), now)
    # asyncio.run() would wait for a hanging resolver thread.
    loop = asyncio.new_event_loop()
    try:
        status = loop.run_until_complete(post(address, body, headers, settings.webhook_ca_file))
    finally:
        loop.close()
    if status == GONE:
        raise ReceiverGone
    if not 200 <= status < 300:
        raise ReceiverRefused(ANSWERED.format(status))
    return status

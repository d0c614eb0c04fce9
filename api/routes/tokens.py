"""Endpoint that lets the holder of an API key create tokens for end users."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Response
from pydantic import Field, PlainValidator, ValidationInfo

from api.access import audit
from api.access.caller import NAME, Caller
from api.access.tokens import MAX_LENGTH, SEPARATOR, Tokens, limited, user_name
from api.dependencies import CallerDep, ContextDep
from api.routes import examples
from api.routes.json_route import JsonRoute
from api.web import responses
from api.web.answer import Answer, Timestamp
from api.web.problems import Refusal
from api.web.responses import refusals
from api.web.validation import described_by, validated
from flows.errors import FieldError, InvalidRequest
from flows.query.report import ALL_VALUES
from flows.query.request_model import RequestModel
from flows.query.row_rights import allowed_values

DEFAULT_MINUTES, MAX_MINUTES = 60, 1440
OFF = "Tokens are disabled because REPORTS_TOKEN_SECRET_FILE is not set."

router = APIRouter(tags=["tokens"], route_class=JsonRoute)


def _read_caller(value: object, info: ValidationInfo) -> str:
    """Validate the name of an end user and return the caller name for the token.

    The caller name starts with the name of the caller that the API key belongs to.
    """
    key, authentication = _key(info), _context(info)["authentication"]
    longest = 200 - len(user_name(key, ""))
    name = user_name(key, value) if isinstance(value, str) else ""
    if not value or not NAME.fullmatch(name) or SEPARATOR in str(value):
        raise ValueError(f"must be 1 to {longest} visible ASCII characters without spaces and slashes")
    if authentication.is_key_caller(name):
        raise ValueError(f"an API key belongs to the caller {name}; choose another name")
    return name


def _read_reports(value: object, info: ValidationInfo) -> list[str]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of at least one report")
    key, known = _key(info), _context(info)["catalog"].reports.keys()
    permitted = known if key.reports is None else known & key.reports
    errors = [
        FieldError(f"/{position}", "unknown", "Unknown report.")
        for position, name in enumerate(value)
        if not isinstance(name, str) or name not in permitted
    ]
    _raise_all(errors)
    return value


def _read_allow(value: object, info: ValidationInfo) -> dict[str, list[str]]:
    if not isinstance(value, dict) or not all(isinstance(values, list) for values in value.values()):
        raise ValueError("must be an object with a list of values for each claim")
    key, claims = _key(info), _context(info)["catalog"].claim_names
    errors = [
        FieldError(f"/{name}", "unknown", "No report restricts its rows by this claim.")
        for name in value.keys() - claims
    ]
    errors += [
        FieldError(f"/{name}/{position}", "invalid", "The API key does not allow this value.")
        for name in value.keys() & claims
        for position, item in enumerate(value[name])
        if type(item) not in (str, int) or not {str(item), ALL_VALUES} & allowed_values(key.claims, name)
    ]
    _raise_all(errors)
    return {name: [str(item) for item in values] for name, values in value.items()}


def _read_pii(value: object, info: ValidationInfo) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    if value and not _key(info).sees_pii:
        raise ValueError("the API key does not give access to personal data")
    return value


def _read_minutes(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_MINUTES:
        raise ValueError(f"must be a whole number from 1 to {MAX_MINUTES}")
    return value


def _raise_all(errors: list[FieldError]) -> None:
    if errors:
        raise InvalidRequest(errors)


def _context(info: ValidationInfo) -> dict[str, Any]:
    assert info.context is not None  # noqa: S101 - create_token passes it
    context: dict[str, Any] = info.context
    return context


def _key(info: ValidationInfo) -> Caller:
    key: Caller = _context(info)["key"]
    return key


_User = Annotated[str, Field(pattern=r"^[\x21-\x2e\x30-\x7e]{1,198}$")]
_Claims = dict[str, list[str | int]]


class NewToken(RequestModel):
    caller: Annotated[str, PlainValidator(_read_caller, json_schema_input_type=_User)] = Field(
        description="The end user. The token belongs to the caller `KEY/USER`, where `KEY` is the caller of"
        " the API key and `USER` is this name."
    )
    reports: Annotated[list[str], PlainValidator(_read_reports, json_schema_input_type=list[str])] | None = (
        Field(None, description="Reports that the token permits. Defaults to those of the key.")
    )
    allow: (
        Annotated[dict[str, list[str]], PlainValidator(_read_allow, json_schema_input_type=_Claims)] | None
    ) = Field(
        None,
        description="Allowed values by claim. Claims that are not named allow nothing. Defaults to the rows"
        " that the key may read.",
    )
    pii: Annotated[bool, PlainValidator(_read_pii, json_schema_input_type=bool)] | None = Field(
        None, description="Whether the token gives access to personal data. Defaults to the right of the key."
    )
    minutes: Annotated[
        int, PlainValidator(_read_minutes, json_schema_input_type=Annotated[int, Field(ge=1, le=MAX_MINUTES)])
    ] = Field(DEFAULT_MINUTES, description=f"Lifetime in minutes. Defaults to {DEFAULT_MINUTES}.")


class TokenAnswer(Answer):
    token: str = Field(description="The token, to be sent as `Authorization: Bearer …`.")
    id: str = Field(description="Id of the token in the audit log.", examples=["5f0c6e1a9b3d4c27"])
    caller: str = Field(description="Owner of the exports of this token.", examples=["shop/user-17"])
    expires_at: Timestamp


async def get_tokens(caller: CallerDep, context: ContextDep) -> Tokens:
    """Count the request against the caller's rate limit and return the object that creates tokens.

    Raises Refusal if tokens are disabled or the caller has not sent an API key.
    """
    tokens = context.authentication.tokens
    if tokens is None:
        raise Refusal(HTTPStatus.NOT_FOUND, OFF)
    if not caller.can_create_tokens:
        raise Refusal(HTTPStatus.FORBIDDEN, "Only an API key can create tokens.")
    context.limits.tokens.spend(caller.name)
    return tokens


@router.post(
    "/tokens",
    operation_id="createToken",
    summary="Create a token for an end user",
    status_code=HTTPStatus.CREATED,
    response_model=TokenAnswer,
    response_description="The token.",
    responses=refusals(403, 404, *responses.START),
)
async def create_token(
    body: Annotated[Any, described_by(NewToken), Body(openapi_examples=examples.TOKENS)],
    tokens: Annotated[Tokens, Depends(get_tokens)],
    key: CallerDep,
    context: ContextDep,
    response: Response,
) -> TokenAnswer:
    """Create a short-lived token that a back end can pass to the browser of an end user.

    The token works like an API key, except that it cannot create tokens. It never has more rights than the
    key that created it, and it becomes invalid when that key is revoked.
    """
    authentication = context.authentication
    order = validated(NewToken, body, key=key, catalog=context.catalog, authentication=authentication)
    pii = key.sees_pii if order.pii is None else order.pii
    user = limited(key, order.caller, order.reports, pii, order.allow)
    try:
        token = tokens.create(user, datetime.now(UTC) + timedelta(minutes=order.minutes))
    except LookupError:
        raise Refusal(
            HTTPStatus.NOT_FOUND, "Tokens are disabled because their secret file is not valid."
        ) from None
    if len(token.text) > MAX_LENGTH:
        raise InvalidRequest.at("/allow", "length", "Too many values for a token. Allow fewer values.")
    rights = {"reports": user.reports, "pii": user.sees_pii, "allow": user.claims}
    audit.note(token={"id": token.id, "caller": user.name, "expiresAt": token.expires_at, **rights})
    response.headers["Cache-Control"] = "no-store"
    return TokenAnswer(token=token.text, id=token.id, caller=user.name, expires_at=token.expires_at)

"""Validate requests with a Pydantic context, such as the caller's reports.

FastAPI cannot pass a context to Pydantic, so it must not validate such requests itself. For a body annotated
with `described_by(Model)`, FastAPI uses the model only for the schema and passes the value on unchanged. A
dependency then calls `validated(Model, ...)` with the context. For query models, Pydantic's SkipValidation
has the same effect.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, PlainValidator, ValidationError

from flows.errors import FieldError, InvalidRequest
from flows.query.field_errors import field_errors

M = TypeVar("M", bound=BaseModel)


def described_by(model: type[BaseModel]) -> PlainValidator:
    return PlainValidator(lambda value: value, json_schema_input_type=model)


def validated(model: type[M], value: Any, unknown_field: str = "Unknown field.", **context: Any) -> M:
    """Validate the value against the model and return the result. `context` is passed to the validators.

    Raises InvalidRequest, which lists all validation errors.
    """
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        raise InvalidRequest(field_errors(error.errors(include_url=False), lambda _: unknown_field)) from None


def read_all(*reads: Callable[[], Any]) -> list[Any]:
    """Call each function and return the results.

    If any of them raise InvalidRequest, raise a single InvalidRequest that combines their errors.
    """
    values: list[Any] = []
    errors: list[FieldError] = []
    for read in reads:
        try:
            values.append(read())
        except InvalidRequest as error:
            errors += error.errors
    if errors:
        raise InvalidRequest(errors)
    return values

"""Validation with a context, which FastAPI's own validation does not have.

A body annotated with `described_by(Model)` has the model's schema in the OpenAPI document and reaches the
dependency unchanged. The dependency validates it with `validated(Model, …)` and a context, such as the
caller's reports. Queries do the same with Pydantic's SkipValidation.
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
    """Raise InvalidRequest with every mistake."""
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        raise InvalidRequest(field_errors(error.errors(include_url=False), lambda _: unknown_field)) from None


def read_all(*reads: Callable[[], Any]) -> list[Any]:
    """Return the results of all reads, or raise InvalidRequest with the mistakes of all."""
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

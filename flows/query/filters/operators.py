"""Parse the operators of a filter, such as `{"gte": 100, "lt": 500}`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.errors import FieldError, InvalidRequest, escape_pointer, sentence
from flows.query.filters.values import MAX_ANY_OF, parse_filter_value
from flows.query.report import Filter


@dataclass(frozen=True)
class Conditions:
    """Conditions on one column, all of which must hold.

    The value of `not` is a tuple, and the value of `null` is a boolean. The values of other operators have
    the type of the column.
    """

    by_operator: Mapping[str, Any]


def parse_conditions(value: Mapping[str, object], filter_: Filter) -> Conditions:
    """Parse a JSON object of operators.

    Raises InvalidRequest with one error per invalid operator. Pointers are relative to the object.
    """
    if not value:
        raise InvalidRequest.at("", "length", "Must contain at least one operator.")
    errors: list[FieldError] = []
    parsed: dict[str, Any] = {}
    for operator, item in value.items():
        try:
            parsed[operator] = _parse(operator, item, filter_)
        except InvalidRequest as error:
            errors += error.errors
        except ValueError as error:
            errors.append(_error(operator, "invalid", sentence(error)))
    if errors:
        raise InvalidRequest(errors)
    return Conditions(parsed)


def _parse(operator: str, value: object, filter_: Filter) -> Any:
    if operator not in filter_.allowed_operators:
        choices = ", ".join(filter_.allowed_operators) or "none"
        raise InvalidRequest([_error(operator, "unknown", f"Unknown operator. Choose from: {choices}.")])
    if operator == "null":
        return _boolean(value)
    if operator == "not":
        return _excluded(value, filter_)
    if value is None:
        raise ValueError("must not be null; use the operator null")
    return parse_filter_value(value, filter_)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _excluded(value: object, filter_: Filter) -> tuple[Any, ...]:
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= MAX_ANY_OF:
        raise InvalidRequest([_error("not", "length", f"A list must have 1 to {MAX_ANY_OF} values.")])
    return tuple(parse_filter_value(item, filter_) for item in values)


def _error(operator: str, code: str, detail: str) -> FieldError:
    return FieldError(f"/{escape_pointer(operator)}", code, detail)

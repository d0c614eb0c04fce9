"""Restrict a report to the rows that a caller may see.

A report declares which claim restricts a scope or a column. Each caller has a set of allowed values for each
claim. Like a mask (see masking.py), the restriction is part of the report's SELECT. It therefore applies to
the table, count, preview, choices and file. If a scope value is not allowed, it appears not to exist.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Select

from flows.errors import InvalidRequest
from flows.query import statement
from flows.query.filters.values import parse_filter_value, value_from_text
from flows.query.report import ALL_VALUES, Choices, Filter, Questions, Report, Scope
from flows.query.request_model import request_model

# Allowed values by claim name. A missing claim allows no values; ALL_VALUES allows every value.
Claims = Mapping[str, frozenset[str]]

_EVERY = frozenset({ALL_VALUES})


@dataclass(frozen=True)
class Rights:
    """The rows that the creator of an export or schedule may see.

    If `claims` is None, the creator may see all rows. `from_key` is true if the rights depend on an API key.
    The key can be revoked or restricted later. If the creator used a token that was created with an API key,
    `issuer` is the caller that the key belongs to.
    """

    claims: Claims | None = None
    from_key: bool = False
    issuer: str | None = None

    def as_parameter(self) -> dict[str, Any]:
        """Return the rights as a flow parameter."""
        claims = None if self.claims is None else {n: sorted(values) for n, values in self.claims.items()}
        issuer = {"issuer": self.issuer} if self.issuer is not None else {}
        return {"claims": claims, "fromKey": self.from_key, **issuer}


def parse_rights(value: object) -> Rights | None:
    """Parse the `rights` flow parameter.

    Raises InvalidRequest if the parameter is invalid, for example because an operator has edited it.
    """
    match value:
        case None:
            return None
        case {"claims": dict() | None as claims, "fromKey": bool(from_key), **others}:
            issuer = others.get("issuer")
            if _are_lists(claims) and isinstance(issuer, str | None):
                return Rights(claims and _parse_claims(claims), from_key, issuer)
    raise InvalidRequest.at("/rights", "invalid", "Must have the form in which the API stores rights.")


def _are_lists(claims: dict[str, object] | None) -> bool:
    return claims is None or all(isinstance(values, list) for values in claims.values())


def _parse_claims(claims: dict[str, list[object]]) -> Claims:
    return {name: frozenset(map(str, values)) for name, values in claims.items()}


def allowed_values(claims: Claims | None, name: str) -> frozenset[str]:
    return _EVERY if claims is None else claims.get(name, frozenset())


def intersect(one: Claims | None, other: Claims | None) -> Claims | None:
    """Return the claims with the values that both arguments allow. An argument of None allows every value."""
    if one is None or other is None:
        return other if one is None else one
    return {name: _both(one[name], other[name]) for name in one.keys() & other.keys()}


def _both(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    if ALL_VALUES in one:
        return other
    return one if ALL_VALUES in other else one & other


def covers(report: Report, claims: Claims | None, body: Mapping[str, Any], made_with: Claims | None) -> bool:
    """Return whether the claims allow all rows of an export whose request is `body`.

    `made_with` contains the claims that applied when the export was created.
    """
    for name in report.claim_names if claims is not None else ():
        allowed = allowed_values(claims, name)
        scopes = [key for key, scope in report.scope.items() if scope.claim == name]
        rows = {_text(body.get(key)) for key in scopes}
        if not rows or name in report.claims or name in report.session_claims.values():
            rows |= allowed_values(made_with, name)
        if not allowed or not (ALL_VALUES in allowed or (rows <= allowed and ALL_VALUES not in rows)):
            return False
    return True


def _text(value: object) -> str:
    return value if isinstance(value, str) else ALL_VALUES


def restrict_report(report: Report, claims: Claims | None) -> Report:
    """Return the report restricted to the rows that the claims allow."""
    if claims is None or not report.claim_names:
        return report
    for dates in (True, False):
        request_model(report, dates)  # This caches the model on the declared report.
    rights = {name: tuple(sorted(allowed_values(claims, name))) for name in report.claim_names}
    restricted = replace(
        report,
        select=report.select.where(*_row_clauses(report, rights)),
        scope={name: _restrict_scope(report, name, rights) for name in report.scope},
        questions=_restrict_questions(report, rights),
        rights=rights,
    )
    computed = {name: value for name, value in vars(report).items() if name not in vars(restricted)}
    vars(restricted).update(computed)  # Reuse the report's cached columns, filters and models.
    return restricted


def session_settings(report: Report) -> dict[str, str]:
    """Return the PostgreSQL settings for row-level security.

    Each setting contains the allowed values of one claim, as a JSON array.
    """
    every = (ALL_VALUES,)
    return {
        setting: json.dumps(report.rights.get(claim, every))
        for setting, claim in report.session_claims.items()
    }


def _row_clauses(report: Report, rights: Mapping[str, tuple[str, ...]]) -> Iterator[ColumnElement[bool]]:
    for name, column in report.claims.items():
        yield from _clause(column, rights[name])
    for scope in report.scope.values():
        yield from _own_clause(scope, scope.column, rights)


def _restrict_scope(report: Report, name: str, rights: Mapping[str, tuple[str, ...]]) -> Scope:
    scope = report.scope[name]
    return replace(scope, allowed=tuple(_value_clauses(report, name, scope.known, rights)))


def _restrict_questions(report: Report, rights: Mapping[str, tuple[str, ...]]) -> Any:
    declared = report.questions
    if declared is None:
        return None
    return replace(
        declared,
        select=_restrict_select(report, declared, rights),
        choices=declared.choices
        and replace(declared.choices, select=_restrict_select(report, declared.choices, rights)),
    )


def _restrict_select(
    report: Report, declared: Questions | Choices, rights: Mapping[str, tuple[str, ...]]
) -> Select[Any]:
    clauses = [
        clause
        for name, column in declared.scope.items()
        for clause in _value_clauses(report, name, column, rights)
    ]
    return declared.select.where(*clauses)


def _value_clauses(
    report: Report, name: str, column: ColumnElement[Any], rights: Mapping[str, tuple[str, ...]]
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that restrict `column`, which contains values of the scope called `name`.

    The scope's own claim lists the allowed values. If other claims restrict the report, a value must also
    occur in the rows that those claims allow.
    """
    scope = report.scope[name]
    yield from _own_clause(scope, column, rights)
    others = [clause for key, other in report.claims.items() for clause in _clause(other, rights[key])]
    for other_name, other in report.scope.items():
        others += _own_clause(other, other.column, rights) if other_name != name else ()
    if others:
        yield column.in_(_values_in_rows(report.select.where(*others), scope.column))


def _values_in_rows(rows: Select[Any], column: ColumnElement[Any]) -> Select[Any]:
    values = rows.with_only_columns(column, maintain_column_froms=True).order_by(None).correlate(None)
    return values.group_by(column) if rows._group_by_clauses else values


def _own_clause(
    scope: Scope, column: ColumnElement[Any], rights: Mapping[str, tuple[str, ...]]
) -> Iterator[ColumnElement[bool]]:
    if scope.claim is not None:
        yield from _clause(column, rights[scope.claim])


def _clause(column: ColumnElement[Any], texts: tuple[str, ...]) -> Iterator[ColumnElement[bool]]:
    """Yield the condition that the column has one of the values, or nothing if every value is allowed."""
    if ALL_VALUES not in texts:
        yield statement.has_value(column, tuple(_parsed(texts, Filter(column))))


def _parsed(texts: tuple[str, ...], filter_: Filter) -> Iterator[Any]:
    """Convert the strings to the column's type.

    Invalid strings are skipped, because no row contains such a value.
    """
    for text in texts:
        with suppress(ValueError):
            yield parse_filter_value(value_from_text(text, filter_), filter_)

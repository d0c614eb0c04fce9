"""Stop a run if its creator's rights have been revoked since the export or schedule was created."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.access.stored_key import Key, KeyFileUnusable, read_keys
from flows.errors import RightsGone, RightsUnknown
from flows.query.report import Report
from flows.query.request import stored_report
from flows.query.row_rights import Rights, covers, restrict_report


def readable_reports(
    reports: Mapping[str, Report],
    body: Mapping[str, Any],
    rights: Rights | None,
    caller: str,
    keys_file: Path | None,
) -> Mapping[str, Report]:
    """Return the reports, restricted to the rows that the creator of the export may see.

    Raises RightsGone if the creator may no longer see the requested rows.
    """
    report = stored_report(body, reports)
    if rights is None or report is None:
        return reports
    check_rights(report, body, rights, caller, keys_file)
    return {report.name: restrict_report(report, rights.claims)}


def check_rights(
    report: Report, body: Mapping[str, Any], rights: Rights, caller: str, keys_file: Path | None
) -> None:
    """Check that the creator may still see the rows that `body` requests.

    Raises RightsGone if access has been revoked, or RightsUnknown if the key file cannot be read. Rights from
    an API key remain valid as long as any of the caller's keys grants them, so a key can be replaced. If the
    rights come from a token, the keys of the caller who created the token are checked instead. A worker that
    has no key file checks only the rights that are stored with the run.
    """
    if not covers(report, rights.claims, body, rights.claims):
        raise RightsGone
    if rights.from_key and keys_file is not None:
        holder = rights.issuer or caller
        keys = [key for key in _read(keys_file) if key.caller == holder]
        if not any(_has_right(key, report, body, rights) for key in keys):
            raise RightsGone


def _read(keys_file: Path) -> list[Key]:
    try:
        return read_keys(keys_file)
    except KeyFileUnusable as error:
        raise RightsUnknown from error


def _has_right(key: Key, report: Report, body: Mapping[str, Any], rights: Rights) -> bool:
    is_permitted = key.reports is None or report.name in key.reports
    sees_columns = key.pii or report.masked is not None
    return is_permitted and sees_columns and covers(report, key.claims, body, rights.claims)

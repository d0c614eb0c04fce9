"""Implement `report-exports keys`, which creates, lists and revokes API keys in the API's key file."""

import argparse
import getpass
import logging
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.command_line.exit_codes import DONE, OperationFailed, RequestRejected
from deployments.command_line.options.export_options import Commands
from deployments.command_line.text.display import print_to_stderr

if TYPE_CHECKING:
    from api.access.api_keys import KeyFile
    from flows.access.stored_key import Key

SETTING = "REPORTS_KEYS_FILE"


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "keys",
        help="create, list and revoke API keys",
        description="Create, list and revoke API keys. A running API applies changes immediately.",
        allow_abbrev=False,
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help=f"key file (default: {SETTING})")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="create a key and print it", allow_abbrev=False)
    create.add_argument(
        "--caller", required=True, metavar="NAME", help="name of the caller, who sees only their own exports"
    )
    create.add_argument(
        "--report",
        action="append",
        metavar="NAME",
        help="allow this report only; repeat to allow several (default: all)",
    )
    create.add_argument(
        "--no-pii", dest="pii", action="store_false", help="mask personal data for this caller"
    )
    create.add_argument(
        "--allow",
        action="append",
        type=_parse_claim,
        metavar="CLAIM=VALUE",
        help="allow only rows that have this value for one of the claims of a report, or * for every value;"
        " repeat to allow several. If you use this option, claims that you do not name allow nothing"
        " (default: all rows)",
    )
    actions.add_parser("list", help="list the keys", allow_abbrev=False)
    revoke = actions.add_parser("revoke", help="revoke a key", allow_abbrev=False)
    revoke.add_argument("id", metavar="ID", help="id of the key, from `keys list`")


def run(arguments: argparse.Namespace) -> int:
    from api.access.api_keys import KeyFile  # imported here so that other commands start faster
    from flows.access.stored_key import KeyFileUnusable

    _log_to_stderr()
    keys = KeyFile(_choose_file(arguments.file))
    try:
        match arguments.action:
            case "create":
                _create(keys, arguments)
            case "list":
                sys.stdout.writelines(f"{_format_key(key)}\n" for key in keys.keys().values())
            case _:
                _revoke(keys, arguments.id)
    except (KeyFileUnusable, OSError) as error:
        raise OperationFailed(str(error)) from None
    return DONE


def _choose_file(option: Path | None) -> Path:
    path = option or (Path(os.environ[SETTING]) if os.environ.get(SETTING) else None)
    if path is None:
        raise RequestRejected(f"No key file. Use --file FILE or set {SETTING}.")
    return path


def _parse_claim(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator and value):
        raise argparse.ArgumentTypeError(f"{text!r} must have the form CLAIM=VALUE, such as region=north")
    return name, value


def _create(keys: "KeyFile", arguments: argparse.Namespace) -> None:
    _check_reports(arguments.report or [])
    caller, allow = arguments.caller, _group_values(arguments.allow)
    try:
        token = keys.create(caller, arguments.report, datetime.now(UTC), arguments.pii, allow)
    except ValueError as error:
        raise RequestRejected(f"--caller {caller!r}: {error}.") from None
    rights = {"reports": arguments.report, "pii": arguments.pii, "allow": allow}
    _audit("key.create", key=token[4:12], caller=caller, **rights)
    print_to_stderr("Save this key now. Only its hash is stored, so it cannot be shown again.")
    sys.stdout.write(f"{token}\n")


def _check_reports(names: list[str]) -> None:
    """Check that every name belongs to a report.

    Raises RequestRejected otherwise, because a key for an unknown report would not give access to anything.
    """
    if not names:
        return
    from deployments.stack.environment import report_modules
    from flows.errors import DeclarationError
    from flows.reports import load_reports  # slow, because it imports the whole service

    try:
        loaded = load_reports(report_modules(os.environ))
    except DeclarationError as error:
        raise RequestRejected(str(error)) from None
    report_names = sorted({*loaded.reports, *(report.name for report in loaded.broken)})
    for name in names:
        if name not in report_names:
            listed = f"Reports: {', '.join(report_names)}."
            declared = listed if report_names else "Name your reports in REPORTS_CATALOG."
            raise RequestRejected(f"--report: no report is named {name!r}. {declared}")


def _group_values(pairs: list[tuple[str, str]] | None) -> dict[str, list[str]] | None:
    """Map each claim to its values. Return None if `--allow` was not used."""
    if pairs is None:
        return None
    return {name: [value for key, value in pairs if key == name] for name, _ in pairs}


def _revoke(keys: "KeyFile", key_id: str) -> None:
    if not keys.revoke(key_id):
        raise RequestRejected(f"No key has the id {key_id!r}. Run `keys list` to see the ids.")
    _audit("key.revoke", key=key_id)
    print_to_stderr(f"Key {key_id} is revoked.")


def _log_to_stderr() -> None:
    from flows import logs

    logs.configure("json" if os.environ.get("REPORTS_LOG_FORMAT") == "json" else "text")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _audit(action: str, **fields: object) -> None:
    """Record in the audit log who changed the key file and on which machine."""
    from flows import audit

    audit.record(action, "done", by=getpass.getuser(), **{"from": socket.gethostname()}, **fields)


def _format_key(key: "Key") -> str:
    reports = "all reports" if key.reports is None else ", ".join(key.reports) or "no report"
    masking = "" if key.pii else "  pii masked"
    claims = "".join(f"  {name}={','.join(values)}" for name, values in (key.allow or {}).items())
    rows = "  no rows of restricted reports" if key.allow == {} else claims
    return f"{key.id}  {key.caller}  {key.createdAt}  {reports}{masking}{rows}"

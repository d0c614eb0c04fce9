"""`report-exports keys`: makes, lists and revokes API keys in the file that the API reads."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.command_line.exit_codes import DONE, Failed, Refused
from deployments.command_line.options.export_options import Commands
from deployments.command_line.text.display import to_stderr

if TYPE_CHECKING:
    from api.access.api_keys import Key, KeyFile

SETTING = "REPORTS_KEYS_FILE"


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "keys",
        help="make, list and revoke API keys",
        description="Make, list and revoke API keys. A running API sees the change at its next request.",
        allow_abbrev=False,
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help=f"the file of keys ({SETTING})")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key; it is printed this once", allow_abbrev=False)
    create.add_argument("--caller", required=True, metavar="NAME", help="whose exports its holder sees")
    create.add_argument(
        "--report",
        action="append",
        metavar="NAME",
        help="a report that it covers (repeat; all when not given)",
    )
    create.add_argument(
        "--no-pii", dest="pii", action="store_false", help="mask what is about a person for its holder"
    )
    actions.add_parser("list", help="the keys there are", allow_abbrev=False)
    revoke = actions.add_parser("revoke", help="make a key useless", allow_abbrev=False)
    revoke.add_argument("id", metavar="ID", help="as `keys list` prints it")


def run(given: argparse.Namespace) -> int:
    from api.access.api_keys import (  # what asks a service starts without the service itself
        KeyFile,
        KeyFileUnusable,
    )

    keys = KeyFile(_file(given.file))
    try:
        match given.action:
            case "create":
                _create(keys, given.caller, given.report, given.pii)
            case "list":
                sys.stdout.writelines(f"{_line(key)}\n" for key in keys.keys().values())
            case _:
                _revoke(keys, given.id)
    except (KeyFileUnusable, OSError) as error:
        raise Failed(str(error)) from None
    return DONE


def _file(given: Path | None) -> Path:
    named = given or (Path(os.environ[SETTING]) if os.environ.get(SETTING) else None)
    if named is None:
        raise Refused(f"Say which file: --file FILE, or {SETTING}.")
    return named


def _create(keys: "KeyFile", caller: str, reports: list[str] | None, pii: bool) -> None:
    try:
        token = keys.create(caller, reports, datetime.now(UTC), pii)
    except ValueError as error:
        raise Refused(f"--caller {caller!r}: {error}.") from None
    to_stderr("This key is shown once; only its SHA-256 is kept.")
    sys.stdout.write(f"{token}\n")


def _revoke(keys: "KeyFile", key_id: str) -> None:
    if not keys.revoke(key_id):
        raise Refused(f"There is no key {key_id!r}.")
    to_stderr(f"Key {key_id} is revoked.")


def _line(key: "Key") -> str:
    reports = "all reports" if key.reports is None else ", ".join(key.reports) or "no report"
    masks = "" if key.pii else "  pii masked"
    return f"{key.id}  {key.caller}  {key.createdAt}  {reports}{masks}"

"""Write the audit log.

Each line records the start, download or deletion of an export, or a change to a schedule or key. The message
consists of the action and a JSON object. If logs are written as JSON, the fields of this object become fields
of the log line. The log never contains keys, signed links or complete webhook URLs.
"""

import json
import logging
from typing import Literal

LOGGER = "report_exports.audit"
# The request was carried out (done), was rejected (refused), or caused an internal error (failed).
Outcome = Literal["done", "refused", "failed"]

logger = logging.getLogger(LOGGER)


def record(action: str, outcome: Outcome, **fields: object) -> None:
    """Log the action. Fields that are None are omitted."""
    present = {name: value for name, value in fields.items() if value is not None}
    text = json.dumps({"action": action, "outcome": outcome, **present}, ensure_ascii=False, default=_as_json)
    logger.info("%s %s", action, text, extra={"fields": {**json.loads(text), "message": action}})


def _as_json(value: object) -> object:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)

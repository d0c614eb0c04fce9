"""Write the audit log, with one line for each start, download, deletion, and change of a schedule or key.

The message is the action and a JSON object. With JSON logs, the fields of the object become fields of the log
line. The log never contains keys, signed links or whole webhook URLs.
"""

import json
import logging
from typing import Literal

LOGGER = "report_exports.audit"
# A request was carried out, was rejected, or failed because of an internal error.
Outcome = Literal["done", "refused", "failed"]

logger = logging.getLogger(LOGGER)


def record(action: str, outcome: Outcome, **fields: object) -> None:
    """Log the action. Fields that are None are omitted."""
    present = {name: value for name, value in fields.items() if value is not None}
    text = json.dumps({"action": action, "outcome": outcome, **present}, ensure_ascii=False, default=_as_json)
    logger.info("%s %s", action, text, extra={"fields": {**json.loads(text), "message": action}})


def _as_json(value: object) -> object:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)

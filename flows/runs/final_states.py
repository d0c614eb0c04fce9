"""Build the final states of runs.

The states keep Prefect's names, such as `Failed`, because Prefect's UI, filters and automations depend on
these names. The code is therefore stored at the start of the message, as in `source.unavailable: …`. Use
`outcome.code_and_message` to read it.
"""

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.errors import NoRows


def failed(code: str, message: str) -> State[Any]:
    return Failed(message=f"{code}: {message}")


def no_rows(reason: NoRows) -> State[Any]:
    return Completed(message=f"{NoRows.code}: {reason}")

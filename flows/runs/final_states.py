"""Build the final states of runs.

The states keep Prefect's names, such as `Failed`, because its UI, filters and automations depend on them. The
message therefore starts with the code, as in `source.unavailable: The database …`. Read it with
`outcome.code_and_message`.
"""

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.errors import NoRows


def failed(code: str, message: str) -> State[Any]:
    return Failed(message=f"{code}: {message}")


def no_rows(reason: NoRows) -> State[Any]:
    return Completed(message=f"{NoRows.code}: {reason}")

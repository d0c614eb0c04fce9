"""A way's own side of a measurement, in the process that is measured.

Gets ready untimed, waits for the word, does its work, and stays until its peak memory was read.
"""

import faulthandler
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

READY, DONE = "ready", "done"

Order = dict[str, Any]


def take_turn(prepare: Callable[[Order], Callable[[], None]]) -> NoReturn:
    """`prepare` is given the order and answers with the work."""
    faulthandler.enable()
    code = 1
    try:
        _take(prepare)
        code = 0
    except BaseException:  # noqa: BLE001 - told to who measures
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)  # threads of clients would have it wait


def _take(prepare: Callable[[Order], Callable[[], None]]) -> None:
    said = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is not for who measures
    work = prepare(json.loads(sys.stdin.readline()))
    said.write(f"{READY}\n")
    if sys.stdin.readline():
        work()
        said.write(f"{DONE}\n")
        sys.stdin.read()

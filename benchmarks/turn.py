"""Run one turn of a benchmark in a measured process.

Preparation is not timed. After the measured work is done, the process keeps running until its peak memory has
been read.
"""

import faulthandler
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

READY, DONE = "ready", "done"

Parameters = dict[str, Any]


def run_turn(prepare: Callable[[Parameters], Callable[[], None]]) -> NoReturn:
    """Run one turn and exit. `prepare` receives the parameters and returns the function to measure."""
    faulthandler.enable()
    code = 1
    try:
        _run(prepare)
        code = 0
    except BaseException:  # noqa: BLE001 - the parent reads it from stderr
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)  # client threads would delay a normal exit


def _run(prepare: Callable[[Parameters], Callable[[], None]]) -> None:
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # send library output to stderr, because stdout carries the protocol
    work = prepare(json.loads(sys.stdin.readline()))
    output.write(f"{READY}\n")
    if sys.stdin.readline():
        work()
        output.write(f"{DONE}\n")
        sys.stdin.read()

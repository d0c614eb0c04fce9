"""Define exit codes, and the exceptions that end a command with one of them.

CommandError
├── OperationFailed       1: the export failed, or its file could not be written
├── RequestRejected       2: wrong usage, or the service rejected the request
├── ServiceUnreachable    3: no usable response within --timeout
└── VerificationFailed    4: the downloaded file differs from its receipt
Interrupted               128 + the signal number

Interrupted is a BaseException, so `except Exception` does not catch it.
"""

import signal
from typing import ClassVar

DONE = 0


class CommandError(Exception):
    code: ClassVar[int]


class OperationFailed(CommandError):
    code = 1


class RequestRejected(CommandError):
    code = 2


class ServiceUnreachable(CommandError):
    code = 3


class VerificationFailed(CommandError):
    code = 4


class Interrupted(BaseException):
    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.code = 128 + signal_number


EXIT_CODES = """\
exit codes:
  0    done
  1    the export failed, or its file could not be written
  2    usage error, or the service rejected the request
  3    the service could not be reached within --timeout
  4    the downloaded file failed verification
  130  stopped by Ctrl-C (143 by SIGTERM, 129 by a closed terminal)
"""

"""How a command can end: a code for scripts, a sentence for people.

Ending
├── Failed         the service made no file, or it could not be written here
├── Refused        wrong usage, or a request that the service refuses
├── Unreachable    no answer, or none that helps, for as long as --timeout says
└── Unverified     what came is not what the receipt speaks of
Interrupted        a signal; a BaseException, so that nothing takes it for an error
"""

import signal
from typing import ClassVar

DONE = 0


class Ending(Exception):
    code: ClassVar[int]


class Failed(Ending):
    code = 1


class Refused(Ending):
    code = 2


class Unreachable(Ending):
    code = 3


class Unverified(Ending):
    code = 4


class Interrupted(BaseException):
    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


EXIT_CODES = """\
exit codes:
  0    done
  1    the export failed, or its file could not be written here
  2    wrong usage, or the service refused the request
  3    the service could not be reached within --timeout
  4    the downloaded file does not verify
  130  stopped by Ctrl-C (143 by SIGTERM, 129 by a closed terminal)
"""

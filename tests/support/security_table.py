"""Compare the number of attempts in each security test with the table in docs/security.md."""

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs" / "security.md"
_ROW = re.compile(r"\| (?P<attack>.+) \| `(?P<file>test_\w+\.py)` \| (?P<rest>.+) \|")


@dataclass
class Tally:
    """Counts the attempts in a test module. Leaks are not counted, because a leak fails the test.

    `harmless` counts attempts that succeed but return no data.
    """

    attempts: int = 0
    harmless: int = 0

    def add(self, attempts: int, harmless: int = 0) -> None:
        self.attempts += attempts
        self.harmless += harmless

    def check(self, file: str) -> None:
        """Assert that the file's row in the table has the right numbers. `400+` means at least 400."""
        attempts, refused, leaks = documented_rows()[file]
        assert leaks == "0"
        _assert_number(attempts, self.attempts)
        _assert_number(refused, self.attempts - self.harmless)


def documented_rows() -> dict[str, list[str]]:
    """Map each test file to its documented numbers of attempts, refusals and leaks."""
    rows = [match for line in DOCS.read_text().splitlines() if (match := _ROW.fullmatch(line))]
    return {row["file"]: row["rest"].split(" | ") for row in rows}


def _assert_number(documented: str, number: int) -> None:
    minimum = int(documented.rstrip("+").replace(",", ""))
    is_right = number >= minimum if documented.endswith("+") else number == minimum
    assert is_right, f"docs/security.md says {documented}, but the tests made {number:,}"

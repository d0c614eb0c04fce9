from pathlib import Path

from tests.support.security_table import documented_rows

SECURITY_TESTS = Path(__file__).parents[1] / "security"


def test_the_table_of_attacks_contains_every_test_that_counts_its_attempts() -> None:
    counting = {path.name for path in SECURITY_TESTS.glob("test_*.py") if "tally.add(" in path.read_text()}
    assert set(documented_rows()) == counting

"""Load the rules by which nbval compares notebook outputs (see tests/book/outputs_contract.py)."""

from pathlib import Path

RULES = Path(__file__).parent / "tests" / "book" / "outputs_contract.py"

pytest_plugins = ["tests.book.outputs_contract"] if RULES.exists() else []

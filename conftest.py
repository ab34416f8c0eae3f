"""Load the rules by which nbval compares notebook outputs (see tests/book/outputs_contract.py)."""

pytest_plugins = ["tests.book.outputs_contract"]

"""Exercises that check themselves: one module per chapter, all built on `harness`."""

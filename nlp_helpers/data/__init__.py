"""Corpora, tokenizers, vocabularies, splits and batches."""

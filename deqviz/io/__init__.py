"""Readers of files, which trust the content alone, never the name."""

"""Spaces, operators, records and registries: no input or output, no randomness of its own."""

"""Diagnostics of fixed-point maps and runs, one file each; every estimate says its side."""

"""Noise models, one file each."""

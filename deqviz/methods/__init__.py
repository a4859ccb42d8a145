"""Reconstruction methods, one file each; `_base` says once how a fixed-point method runs."""

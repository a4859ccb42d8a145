"""Constrained training of unrolled networks, and the sparse coding problems that they are trained for."""

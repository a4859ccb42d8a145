"""Activation memory of training, unrolled and through the equilibrium (Pramanik, Zimmerman, Jacob, 2023)."""

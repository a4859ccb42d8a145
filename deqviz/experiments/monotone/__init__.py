"""Monotone operator learning (Pramanik, Zimmerman, Jacob, 2023): uniqueness, Lipschitz constants, steps, depth."""

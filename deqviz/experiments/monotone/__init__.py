"""Monotone operator learning (Pramanik, Zimmerman, Jacob, 2023)."""

"""Unrolled networks with descending constraints (Hadou, NaderiAlizadeh, Ribeiro, 2023)."""

"""The overparametrised deep inverse prior (Buskulic, Fadili, Quéau, 2023)."""

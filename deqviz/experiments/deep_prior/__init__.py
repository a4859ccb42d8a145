"""The overparametrised deep inverse prior (Buskulic, Fadili, Quéau, 2023): widths, one run, recovery, momentum, an image."""

"""Experiments, one folder for each line of theory: rows of numbers with the guarantees on them."""

"""Regularisation operators R of the equilibrium equation, one file each, with certified constants."""

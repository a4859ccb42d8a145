"""Robustness: adversarial perturbations of the data against certified Lipschitz constants."""

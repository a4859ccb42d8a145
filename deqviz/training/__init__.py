"""Recipes that make the weights in `pretrained/`."""

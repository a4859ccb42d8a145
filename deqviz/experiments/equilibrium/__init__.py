"""Equilibrium regularisation (Obmann, Hwang, Haltmeier, 2023), and what other lines share of it."""

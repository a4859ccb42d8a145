"""Equilibrium regularisation (Obmann, Hwang, Haltmeier, 2023): noise, stability, uniqueness, rates, and what other lines share of it."""

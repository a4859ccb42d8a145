"""What training holds in memory, unrolled and by the equilibrium (Pramanik, Zimmerman, Jacob, 2023)."""

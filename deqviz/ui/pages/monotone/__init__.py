"""The question about monotone operators on the Convergence page."""

"""The Convergence page, its question about limits and speed."""

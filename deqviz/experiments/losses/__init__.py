"""Training an equilibrium: losses, architectures, contraction, truncated adjoints."""

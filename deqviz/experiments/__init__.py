"""Questions put to a finished run: other starts, perturbed data, the landscape of the residual."""

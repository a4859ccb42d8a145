"""Ways to reach the fixed point z = f(z) of a map, one file each, and to differentiate it."""

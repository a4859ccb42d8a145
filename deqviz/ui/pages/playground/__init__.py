"""The Playground: the equation in the plane, where everything that the theorems speak of can be seen."""

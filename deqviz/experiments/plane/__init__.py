"""The equilibrium equation in the plane, where fixed points can be found and counted."""

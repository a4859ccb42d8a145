"""What a run is exported as: images, tables, an animation, a script."""

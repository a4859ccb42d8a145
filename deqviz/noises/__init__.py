"""Ways to spoil clean data, one file each."""

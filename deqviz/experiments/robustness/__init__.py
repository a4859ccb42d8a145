"""How far a small change of the data moves what methods make of it."""

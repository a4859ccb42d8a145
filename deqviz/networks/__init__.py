"""Small networks whose constants are computed from their weights."""

"""The Deep prior page."""

"""The Python side of the components that a page is made of."""

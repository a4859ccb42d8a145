"""What comes in from files: readers that trust the content alone, never the name."""

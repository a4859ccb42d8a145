"""Questions about a fixed-point map and about a run, one file each; every answer says its side."""

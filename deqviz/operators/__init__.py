"""Forward models of imaging, one file each."""

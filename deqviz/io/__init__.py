"""What comes in from files, by one door: readers by format, chosen by the content and never by the name."""

from deqviz.io.budget import FileError
from deqviz.io.door import SIDE, open
from deqviz.io.records import Image, KSpace, Settings

__all__ = ["SIDE", "FileError", "Image", "KSpace", "Settings", "open"]

"""Where the tests find what they test."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The top of the repository."""
APP = str(ROOT / "app.py")
FRONTEND = ROOT / "deqviz" / "ui" / "frontend"

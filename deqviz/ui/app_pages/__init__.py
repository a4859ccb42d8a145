"""One plain Streamlit script per page; logic lives in the package."""

from pathlib import Path

FOLDER = Path(__file__).parent

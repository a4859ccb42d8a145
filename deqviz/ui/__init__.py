"""The app: everything that knows Streamlit, Plotly or a browser."""

from pathlib import Path

STYLE = Path(__file__).parent / "style.css"

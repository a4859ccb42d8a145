"""What all pages share: the address, the session, history, links, and what makes a study a page."""

from pathlib import Path

STYLE = Path(__file__).parent / "style.css"

"""What all pages share: the address, the session, history, links, and what makes a study a page."""

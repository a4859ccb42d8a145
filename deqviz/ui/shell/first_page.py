"""The first page under its own name: Streamlit knows it by an empty address alone."""

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class FirstPage:
    """Sends who asks for /`name`?… to /?…, below whatever path the server has."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app, self._end = app, f"/{name}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        app = self._app
        if scope["type"] == "http" and scope["path"].rstrip("/").endswith(self._end):
            # Seen from the page: no path that somebody writes leads to another server.
            up = "../" if scope["path"].endswith("/") else "./"
            query = scope["query_string"].decode("latin-1")
            app = RedirectResponse(f"{up}?{query}" if query else up, headers={"Cache-Control": "no-cache"})
        await app(scope, receive, send)

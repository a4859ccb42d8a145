"""The server's health check, which asks the worker too: Streamlit's own knows of nothing but its sockets."""

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from deqviz.runtime import watchdog

PATH = "/_stcore/health"


class Health:
    """Answers status 503 and a sentence where Streamlit would say "ok" and the worker answers nobody."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        app = self._app
        if scope["type"] == "http" and scope["path"].endswith(PATH) and (complaint := watchdog.complaint()):
            app = PlainTextResponse(f"{complaint}\n", 503, {"Cache-Control": "no-cache"})
        await app(scope, receive, send)

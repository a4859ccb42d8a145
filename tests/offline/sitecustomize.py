"""On the path of a Python that shall reach no other machine: what it tries is written down and fails.

Python imports a module of this name when it starts. The hook hears every look-up of a name and every
connection that goes through `socket`, whoever asks for it.
"""

import os
import sys

LOCAL = ("", "localhost", "::", "::1", "0.0.0.0")
PLACES = {"connect": 1, "sendto": 1, "sendmsg": 1, "getaddrinfo": 0, "gethostbyname": 0, "gethostbyaddr": 0}


def _watch(event: str, args: tuple[object, ...]) -> None:
    package, _, name = event.partition(".")
    if package != "socket" or name not in PLACES:
        return
    place = args[PLACES[name]]
    host = place[0] if isinstance(place, tuple) else place
    if isinstance(host, bytes):
        host = host.decode()
    is_own = not isinstance(host, str) or host in LOCAL or host.startswith(("127.", "/", "\0"))
    if not is_own:
        with open(os.environ["DEQVIZ_CALLS"], "a", encoding="utf-8") as calls:
            calls.write(f"{name} {host}\n")
        raise OSError(f"{host} is another machine")


sys.addaudithook(_watch)

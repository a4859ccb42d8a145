"""One seed, several streams of random numbers: what is drawn for one purpose is independent of all others.

The noise is drawn from the seed itself, the phase from a fixed distance to it, and a mask from a stream of
its own. In version 1 an operator drew its mask from a second seed, 0 by default as that of the noise: of
equal seeds the noise came out 3 to 4 % too strong where something is measured. Links and files say their
version, and those that say none keep the streams of version 1.
"""

import hashlib

from deqviz.core.quoted import quoted

VERSION = 2
FOLLOWS = -1
"""The seed of an operator that draws its mask from the seed of the run."""


def stream(seed: int, name: str) -> int:
    """The seed of the generator of one purpose, 32 bits, which is all that torch's generator takes."""
    return int.from_bytes(hashlib.blake2b(f"{name} {seed}".encode(), digest_size=4).digest(), "big")


def check_streams(version: object) -> None:
    """Raise ValueError, with a sentence for the user, unless these streams are known."""
    if type(version) is not int or not 1 <= version <= VERSION:
        known = f"known are 1 to {VERSION}"
        raise ValueError(f"Version {quoted(version)} of the random streams is unknown; {known}.")


def with_streams(query: dict[str, str], version: int) -> dict[str, str]:
    """A link's parameters as that version writes them; a bare address means today's defaults."""
    if version == VERSION:
        return {**query, "v": str(version)} if query else query
    plain = {k: v for k, v in query.items() if (k, v) != ("operator.seed", "0")}
    return plain or {"v": str(version)}

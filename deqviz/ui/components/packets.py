"""Packets between the server and the components of a page.

A packet is `[u32 length of the header][JSON header][pad to 4][blocks]`, little endian. The header names
its blocks as `[name, type, shape, offset]`, offset counted from the end of the padded header; types are
"u8" and "f4". `frontend/shared/protocol.js` reads what `join` writes; `unpack` reads it back for the tests.
"""

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack_script(source: bytes) -> bytes:
    """A script that the browser cannot fetch from the component's own folder."""
    return join({"kind": "script"}, {"script": np.frombuffer(source, np.uint8)})


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The header and the blocks of a packet: the mirror image of `frontend/protocol.js`."""
    (length,) = struct.unpack_from("<I", data)
    head = json.loads(data[4 : 4 + length])
    base = 4 + length + (-length) % 4
    kinds = {"u8": np.uint8, "f4": np.dtype("<f4")}
    blocks = {}
    for name, kind, shape, offset in head["blocks"]:
        flat = np.frombuffer(data, kinds[kind], math.prod(shape), base + offset)
        blocks[name] = flat.reshape(shape)
    return head, blocks


def join(head: dict[str, Any], blocks: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of a packet of this header and these blocks."""
    table, parts, offset = [], [], 0
    for name, values in blocks.items():
        body = np.ascontiguousarray(values).tobytes()
        pad = (-len(body)) % 4
        table.append([name, "u8" if values.dtype == np.uint8 else "f4", values.shape, offset])
        parts += (body, bytes(pad))
        offset += len(body) + pad
    text = json.dumps({**head, "blocks": table}, allow_nan=False, separators=(",", ":")).encode()
    return b"".join([struct.pack("<I", len(text)), text, bytes((-len(text)) % 4), *parts])


def finite(value: float | None) -> float | None:
    """The value, or None for what JSON has no number for."""
    return None if value is None or not math.isfinite(value) else float(value)

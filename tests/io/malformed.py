"""Six hundred files that nobody should upload, made from a seed; and what reading them does.

`python -m tests.io.malformed FOLDER` reads every file of a folder as the page does, a line of JSON for each.
"""

import functools
import gzip
import io
import json
import pickle
import random
import resource
import struct
import sys
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile
from PIL import Image as Pillow

RNG = np.random.default_rng(6)
GREY = (RNG.random((48, 64)) * 255).astype(np.uint8)
COLOUR = (RNG.random((48, 64, 3)) * 255).astype(np.uint8)
KSPACE = (RNG.standard_normal((4, 48, 40)) + 1j * RNG.standard_normal((4, 48, 40))).astype(np.complex64)
KSPACE[:, 20:28, 16:24] *= 50


def encoded(picture: Pillow.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=True, **arrays)
    return file.getvalue()


def tiff(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def hdf5(fill: Callable[[h5py.File], object]) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        fill(archive)
    return file.getvalue()


def dataset(array: np.ndarray | h5py.Empty | None = None, **options: Any) -> bytes:
    return hdf5(lambda f: f.create_dataset("kspace", data=array, **options))


def zipped(**entries: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name.replace("_npy", ".npy"), data)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, *, depth: int = 8, colour: int = 0, body: bytes = b"", more: bytes = b""
) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """What `count` zeros are packed into."""
    packer = zlib.compressobj(1)
    block = bytes(2**20)
    body = b"".join(packer.compress(block) for _ in range(count >> 20))
    return body + packer.compress(bytes(count & (2**20 - 1))) + packer.flush()


def header(text: str, version: int = 1) -> bytes:
    """An NPY header that says `text`."""
    body = text.encode() + b"\n"
    return b"\x93NUMPY" + bytes((version, 0)) + struct.pack("<H" if version == 1 else "<I", len(body)) + body


def shaped(shape: str, kind: str = "'<f8'", order: str = "False") -> bytes:
    return header(f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}") + bytes(800)


def bmp(width: int, height: int, bits: int = 24, packing: int = 0) -> bytes:
    about = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 14 + 40 + 900, 0, 0, 54) + about + bytes(900)


class Opener:
    """Unpickled, it would write a file: a reader that does not unpickle never does."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("pickle_was_opened", "w")


GOOD: dict[str, bytes] = {
    "a.png": encoded(Pillow.fromarray(GREY), "PNG"),
    "a.jpg": encoded(Pillow.fromarray(COLOUR), "JPEG"),
    "b.tif": encoded(Pillow.fromarray(GREY), "TIFF", compression="tiff_lzw"),
    "c.tif": tiff(GREY / 255.0),
    "a.webp": encoded(Pillow.fromarray(COLOUR), "WEBP"),
    "a.bmp": encoded(Pillow.fromarray(COLOUR), "BMP"),
    "a.gif": encoded(Pillow.fromarray(GREY), "GIF"),
    "a.npy": npy(GREY),
    "a.npz": npz(image=GREY),
    "k.npy": npy(KSPACE),
    "k.h5": dataset(KSPACE, chunks=(1, 48, 40), compression="gzip"),
}


def latest() -> bytes:
    """HDF5 as newer libraries write it, with other indices and checksums."""
    file = io.BytesIO()
    with h5py.File(file, "w", libver="latest") as archive:
        chunked = {"chunks": (1, 48, 40), "compression": "gzip", "fletcher32": True}
        archive.create_dataset("kspace", data=KSPACE, **chunked)
    return file.getvalue()


def cut() -> Iterator[tuple[str, bytes]]:
    """Every kind, ended in its first bytes, in its header, and in its data."""
    for name, data in GOOD.items():
        for share in (0.01, 0.1, 0.4, 0.8, 0.99):
            yield f"cut-{share}-{name}", data[: max(3, int(share * len(data)))]


def spoiled() -> Iterator[tuple[str, bytes]]:
    """Every kind with other bytes in the header, then anywhere."""
    draw = random.Random(6)
    for name, data in GOOD.items():
        for n in range(20):
            bad = bytearray(data)
            for _ in range(4 if n < 12 else 40):
                bad[draw.randrange(4, min(len(bad), 120) if n < 12 else len(bad))] = draw.randrange(256)
            yield f"spoiled-{n}-{name}", bytes(bad)


EXTREMES = (0, 1, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)


def lying() -> Iterator[tuple[str, bytes]]:
    """Numbers of the headers at their extremes, with checksums that are right again."""
    draw = random.Random(7)
    for n in range(40):
        bad = bytearray(draw.choice([GOOD["k.h5"], latest()]))
        for _ in range(2):
            at = draw.randrange(8, min(len(bad), 2500)) & ~3
            bad[at : at + 4] = struct.pack("<I", draw.choice(EXTREMES))
        yield f"lying-{n}.h5", bytes(bad)
    for n in range(40):
        name = draw.choice(["b.tif", "c.tif"])
        yield f"lying-{n}-{name}", retagged(GOOD[name], draw)
    for n in range(20):
        sizes, rest = draw.choices(EXTREMES[:6], k=2), draw.choices((0, 1, 2, 3, 4, 6, 8, 16), k=5)
        head = struct.pack(">II5B", *sizes, *rest)
        more = b"".join(
            chunk(
                draw.choice((b"tRNS", b"PLTE", b"eXIf", b"acTL", b"fcTL", b"iCCP", b"gAMA")),
                draw.randbytes(26),
            )
            for _ in range(draw.randrange(4))
        )
        body = more + chunk(b"IDAT", zeros(draw.randrange(9000))) + chunk(b"IEND", b"")
        good = struct.pack(
            ">II5B", 48, 40, draw.choice((1, 2, 4, 8, 16)), draw.choice((0, 2, 3, 4, 6)), 0, 0, 0
        )
        yield f"lying-{n}.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head if n % 2 else good) + body
    for n in range(20):
        bad = bytearray(GOOD["a.npz"])
        at = draw.choice([bad.index(b"PK\3\4") + 14, bad.rindex(b"PK\1\2") + 16]) + draw.choice((0, 4, 8))
        bad[at : at + 4] = struct.pack("<I", draw.choice(EXTREMES))
        yield f"lying-{n}.npz", bytes(bad)


def retagged(data: bytes, draw: random.Random) -> bytes:
    """A TIFF with two entries of its directory changed: code, type, count or value."""
    bad = bytearray(data)
    first = struct.unpack_from("<I", bad, 4)[0]
    for _ in range(2):
        entry = first + 2 + 12 * draw.randrange(struct.unpack_from("<H", bad, first)[0])
        match draw.randrange(4):
            case 0:
                struct.pack_into(
                    "<H", bad, entry, draw.choice((256, 259, 273, 278, 322, 323, 324, 325, 339, 32997))
                )
            case 1:
                struct.pack_into("<H", bad, entry + 2, draw.randrange(14))
            case 2:
                struct.pack_into("<I", bad, entry + 4, draw.choice(EXTREMES))
            case _:
                struct.pack_into("<I", bad, entry + 8, draw.choice(EXTREMES))
    return bytes(bad)


def strange() -> Iterator[tuple[str, bytes]]:
    """What is no picture, what says that it is another, and what is two things at once."""
    magic = {name: data[:8] for name, data in GOOD.items()}
    for name, other in zip(GOOD, [*list(GOOD)[1:], "a.png"], strict=True):
        yield f"magic-{name}", magic[other] + GOOD[name][8:]
    noise = np.random.default_rng(1)
    yield from {
        "empty.png": b"",
        "one.png": b"\x89",
        "nulls.png": bytes(4000),
        "noise.jpg": noise.bytes(5000),
        "noise.h5": b"\x89HDF\r\n\x1a\n" + noise.bytes(5000),
        "noise.tif": b"II*\0" + noise.bytes(5000),
        "big.tif": b"MM\0+" + noise.bytes(5000),
        "text.png": b"not a picture\n" * 40,
        "page.png": b"<!doctype html><script>alert(1)</script>",
        "drawing.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "paper.png": b"%PDF-1.7\n1 0 obj<<>>endobj",
        "program.png": b"MZ" + noise.bytes(3000),
        "elf.png": b"\x7fELF" + noise.bytes(3000),
        "film.gif": b"\0\0\0\x18ftypmp42" + noise.bytes(3000),
        "sheet.npz": zipped(word=b"<w/>"),
        "packed.npy": gzip.compress(GOOD["a.npy"]),
        "settings.npy": b'{"image": "camera"}',
        "pickle.npy": pickle.dumps(Opener()),
        "objects.npy": npy(np.array([[Opener()] * 40] * 40, dtype=object)),
        "objects.npz": npz(image=np.array([[Opener()] * 40] * 40, dtype=object)),
        "both.png": GOOD["a.png"] + GOOD["a.npz"],
        "both.jpg": GOOD["a.jpg"] + GOOD["a.npz"],
        "both.gif": GOOD["a.gif"] + b"<script>alert(1)</script>",
        "both.npz": GOOD["a.npz"] + GOOD["a.png"],
        "both.npy": GOOD["a.npy"] + GOOD["k.h5"],
        "both.h5": GOOD["k.h5"] + GOOD["a.png"],
        "before.pdf": b"%PDF-1.4\n" + GOOD["a.jpg"],
        "zip-in-png.npz": GOOD["a.png"][:200] + GOOD["a.npz"],
    }.items()


def bombs() -> Iterator[tuple[str, bytes]]:
    """A little that says it is a lot, and a little that is."""
    wide = {"chunks": (1, 1024, 1024), "compression": "gzip", "compression_opts": 9}
    packed = zeros(200 * 2**20)
    yield from {
        "bomb-9000.png": png(9000, 9000, body=zeros(9000 * 9001)),
        "bomb-4096-colour.png": png(4096, 4096, colour=6, body=zeros(4096 * (4 * 4096 + 1))),
        "bomb-4096-deep.png": png(4096, 4096, depth=16, body=zeros(4096 * (2 * 4096 + 1))),
        "bomb-20000.png": png(20000, 20000, body=b"x"),
        "bomb-largest.png": png(2**31 - 1, 2**31 - 1, body=b"x"),
        "bomb-text.png": png(48, 48, body=zeros(48 * 49), more=chunk(b"zTXt", b"a\0\0" + packed)),
        "bomb-profile.png": png(48, 48, body=zeros(48 * 49), more=chunk(b"iCCP", b"a\0\0" + packed)),
        "bomb-exif.png": png(48, 48, body=zeros(48 * 49), more=chunk(b"eXIf", b"MM\0*" + b"\xff" * 60000)),
        "bomb.jpg": GOOD["a.jpg"].replace(struct.pack(">HH", 48, 64), b"\xff\xff\xff\xff"),
        "bomb.gif": b"GIF89a\xff\xff\xff\xff\x80\0\0"
        + bytes(6)
        + b",\0\0\0\0\xff\xff\xff\xff\0\x08"
        + bytes(60),
        "bomb-frames.gif": frames("GIF", 3000),
        "bomb-rows.bmp": bmp(4000, 4000),
        "bomb.bmp": bmp(2**31 - 1, -(2**31)),
        "bomb-packed.bmp": bmp(60000, 60000, 8, 1),
        "bomb.webp": GOOD["a.webp"][:24] + b"\xff" * 6 + GOOD["a.webp"][30:],
        "bomb.tif": tiff(np.zeros((12000, 12000), np.uint8), compression="zlib"),
        "bomb-deep.tif": tiff(np.zeros((4096, 4096)), compression="zlib"),
        "bomb-pages.tif": tiff(np.zeros((400, 40, 40)), photometric="minisblack", compression="zlib"),
        "bomb-huge.npy": shaped("(1000000, 1000000)"),
        "bomb-axes.npy": shaped(f"({'1, ' * 60})"),
        "bomb-negative.npy": shaped("(-40, 40)"),
        "bomb-overflow.npy": shaped(f"({2**62}, 4)"),
        "bomb-deep-header.npy": header("(" * 3000 + ")" * 3000),
        "bomb-long-header.npy": header("{" + "0," * 20000 + "}", 2),
        "bomb-itemsize.npy": shaped("(40, 40)", "'|V999999999'"),
        "bomb-complex.npy": shaped("(64, 4096, 4096)", "'<c16'"),
        "bomb-bytes.npz": zipped(image_npy=npy(np.zeros((4096, 4096), np.uint8))),
        "bomb-colour.npz": zipped(image_npy=npy(np.zeros((4096, 4096, 3), np.uint8))),
        "bomb-whole.npz": zipped(image_npy=npy(np.zeros((4000, 4000), np.int64))),
        "bomb-floats.npz": zipped(image_npy=npy(np.tile(np.arange(3000.0), (3000, 1)))),
        "bomb-large.npz": zipped(image_npy=npy(np.zeros((9000, 9000), np.uint8))),
        "bomb-lies.npz": long_entry(),
        **{name: make() for name, make in BOTTOMLESS.items()},
        "bomb-many.npz": zipped(**{f"a{n}_npy": b"" for n in range(4000)}),
        "bomb-slice.h5": dataset(shape=(16, 1024, 1024), dtype="c8", **wide),
        "bomb-slice-double.h5": dataset(shape=(8, 1024, 1024), dtype="c16", **wide),
        "bomb-coils.h5": dataset(
            shape=(900, 64, 512, 512), dtype="c8", chunks=(1, 1, 512, 512), compression="gzip"
        ),
        "bomb-chunk.h5": dataset(
            shape=(1, 8192, 8192), dtype="c16", chunks=(1, 8192, 8192), compression="gzip"
        ),
        "bomb-filled.h5": filled(),
    }.items()


def long_entry() -> bytes:
    """An archive whose directory says 4 kB of what unpacks to 60 MB."""
    data = bytearray(zipped(image_npy=npy(np.zeros((2700, 2700)))))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 4096)
    return bytes(data)


def ifd(body: bytes, **tags: int | tuple[int, int]) -> bytes:
    """A TIFF of 64 × 64 whose `body` lies at 4096; a tag is its value, or its type and count."""
    known = {"wide": 256, "high": 257, "bits": 258, "packing": 259, "grey": 262, "strip": 273, "turn": 274}
    known |= {"samples": 277, "rows": 278, "bytes": 279, "across": 322, "down": 323, "tile": 324}
    known |= {"tile_bytes": 325, "kind": 339, "deep": 32997}
    tags = {"wide": 64, "high": 64, "bits": 8, "packing": 8, "grey": 1, "samples": 1} | tags
    if "across" not in tags:
        tags = {"strip": 4096, "rows": 64, "bytes": len(body)} | tags
    entries = []
    for name in sorted(tags, key=lambda name: known[name]):
        value = tags[name]
        kind, count, value = (4, 1, value) if isinstance(value, int) else (*value, 4096)
        entries.append(struct.pack("<HHII", known[name], kind, count, value))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return (b"II*\0" + struct.pack("<I", 8) + directory).ljust(4096, b"\0") + body


@functools.cache
def flood() -> bytes:
    """Two megabytes of nothing but four hundred."""
    return zeros(400 * 2**20)


def flooded(file: h5py.File) -> None:
    found = file.create_dataset("kspace", (2, 64, 64), "c8", chunks=(1, 64, 64), compression="gzip")
    for coil in range(2):
        found.id.write_direct_chunk((coil, 0, 0), flood())


def packed_twice(file: h5py.File) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((1, 64, 64))
    plan.set_deflate(9)
    plan.set_filter(h5py.h5z.FILTER_DEFLATE, 0, (9,))
    kind, space = h5py.h5t.py_create(np.dtype("c8")), h5py.h5s.create_simple((2, 64, 64))
    h5py.h5d.create(file.id, b"kspace", kind, space, plan)


def tiles(side: int, body: bytes, **tags: int | tuple[int, int]) -> bytes:
    return ifd(body, across=side, down=side, tile=4096, tile_bytes=len(body), **tags)


BOTTOMLESS: dict[str, Callable[[], bytes]] = {
    "bomb-tile.tif": lambda: tiles(8000, flood(), bits=64, kind=3),
    "bomb-tile-bytes.tif": lambda: tiles(32000, flood()),
    "bomb-tile-raw.tif": lambda: tiles(32000, bytes(99), packing=1),
    "bomb-tiny-tiles.tif": lambda: tiles(1, bytes(99), packing=1, wide=4096, high=4096),
    "bomb-strip.tif": lambda: ifd(flood(), bits=64, kind=3),
    "bomb-strip-bytes.tif": lambda: ifd(flood()),
    "bomb-volume.tif": lambda: ifd(flood(), bits=64, kind=3, deep=60000),
    "bomb-samples.tif": lambda: ifd(flood(), bits=64, kind=3, samples=60000),
    "bomb-offsets.tif": lambda: ifd(b"\1\2" * 2**20, packing=1, rows=1, strip=(3, 2**20), bytes=(3, 2**20)),
    "bomb-offsets-bytes.tif": lambda: ifd(b"\1" * 2**21, packing=1, rows=1, strip=(1, 2**21)),
    "bomb-lengths.tif": lambda: tiles(16, b"\1\2" * 99, packing=1, wide=2**25, high=(3, 8)),
    "bomb-turns.tif": lambda: ifd(struct.pack("<II", 1, 3) * 2**17, packing=1, turn=(5, 2**17)),
    "bomb-lzma.tif": lambda: ifd(flood(), packing=34925),
    "bomb-long.png": lambda: png(48, 48, body=flood()),
    "bomb-texts.png": lambda: png(
        48, 48, body=zeros(48 * 49), more=chunk(b"zTXt", b"a\0\0" + zeros(10**6)) * 500
    ),
    "bomb-turns.png": lambda: png(
        48, 48, body=zeros(48 * 49), more=chunk(b"eXIf", ifd(b"\0\x09" * 2**20, turn=(3, 2**20)))
    ),
    "bomb-scans.jpg": lambda: scans(),
    "bomb-header.npz": lambda: zipped(
        image_npy=b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 9) + bytes(300 * 2**20)
    ),
    "bomb-bzip2.npz": lambda: other_zip(zipfile.ZIP_BZIP2),
    "bomb-lzma.npz": lambda: other_zip(zipfile.ZIP_LZMA),
    "bomb-chunks.h5": lambda: dataset(shape=(16, 512, 512), dtype="c8", chunks=(1, 1, 1)),
    "bomb-wide-chunks.h5": lambda: dataset(shape=(60000, 4, 32, 32), dtype="c8", chunks=(60000, 1, 1, 1)),
    "bomb-long-chunk.h5": lambda: hdf5(flooded),
    "bomb-twice.h5": lambda: hdf5(packed_twice),
    "bomb-slices.h5": lambda: dataset(
        shape=(2**40, 4, 32, 32), dtype="c8", chunks=(1, 4, 32, 32), fillvalue=1 + 1j
    ),
}
"""Small files that unpack to gigabytes, or are read in millions of pieces, whatever they promise."""


def scans() -> bytes:
    """A progressive JPEG that goes over its 16 million pixels again and again."""
    data = encoded(Pillow.new("L", (4096, 4096)), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * 20000 + data[-2:]


def other_zip(method: int) -> bytes:
    """What one step of these unpacks has no bound, and the directory says 5 kB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("image.npy", npy(np.zeros((8000, 8000), np.uint8)))
    data = bytearray(file.getvalue())
    at = data.rindex(b"PK\1\2")
    data[at + 24 : at + 28] = struct.pack("<I", 5000)
    return bytes(data)


def filled() -> bytes:
    """A slice at the limit that really holds numbers, from a few kilobytes."""

    def fill(file: h5py.File) -> None:
        wide = {"chunks": (1, 1024, 1024), "compression": "gzip", "shuffle": True}
        found = file.create_dataset("kspace", (16, 1024, 1024), "c8", **wide)
        one = np.zeros((1024, 1024), np.complex64)
        one[480:544, 480:544] = 1 + 2j
        for coil in range(16):
            found[coil] = one

    return hdf5(fill)


def frames(kind: str, count: int) -> bytes:
    still = Pillow.fromarray(GREY)
    other = Pillow.fromarray(255 - GREY)
    return encoded(still, kind, save_all=True, append_images=[other, still] * (count // 2))


def odd() -> Iterator[tuple[str, bytes]]:
    """Numbers that are none, shapes that are none, modes that are rare: some of these are good pictures."""
    nan = np.where(GREY > 200, np.nan, GREY).astype(np.float32)
    deep = GREY.astype(np.uint16) * 257
    one = Pillow.fromarray(GREY)
    rgb = Pillow.fromarray(COLOUR)
    palette = rgb.quantize(16)
    link = hdf5(lambda f: f.__setitem__("kspace", h5py.ExternalLink("/etc/passwd", "/x")))
    outside = dataset(shape=(4, 48, 40), dtype="c8", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])
    layout = h5py.VirtualLayout((4, 48, 40), "c8")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", shape=(4, 48, 40))
    yield from {
        "nan.npy": npy(nan),
        "nan.tif": tiff(nan),
        "inf.npy": npy(np.where(GREY > 200, np.inf, GREY)),
        "all-nan.npy": npy(np.full((40, 40), np.nan)),
        "subnormal.npy": npy(np.full((40, 40), 5e-324)),
        "extreme.npy": npy(np.where(GREY > 99, 1.79e308, -1.79e308)),
        "none.npy": npy(np.zeros((0, 40))),
        "scalar.npy": npy(np.array(3.0)),
        "line.npy": npy(np.zeros(4000)),
        "thin.npy": npy(np.zeros((32, 4096))),
        "small.npy": npy(np.zeros((31, 32))),
        "four.npy": npy(np.zeros((40, 40, 4))),
        "text.npy": npy(np.array([["a"] * 40] * 40)),
        "dates.npy": npy(np.zeros((40, 40), "M8[s]")),
        "records.npy": npy(np.zeros((40, 40), [("a", "f4"), ("b", "O")])),
        "long.npy": npy(np.zeros((40, 40), np.longdouble)),
        "halves.npy": npy(np.linspace(-6e4, 6e4, 1600).reshape(40, 40).astype(np.float16)),
        "signed.npy": npy(np.full((40, 40), -(2**63))),
        "deep.png": encoded(Pillow.fromarray(deep), "PNG"),
        "deep.tif": tiff(deep),
        "one-bit.png": encoded(one.convert("1"), "PNG"),
        "palette.png": encoded(palette, "PNG"),
        "palette-clear.png": encoded(palette, "PNG", transparency=3),
        "palette.gif": encoded(palette, "GIF", transparency=0),
        "alpha.png": encoded(rgb.convert("RGBA"), "PNG"),
        "grey-alpha.png": encoded(one.convert("LA"), "PNG"),
        "cmyk.jpg": encoded(rgb.convert("CMYK"), "JPEG"),
        "cmyk.tif": encoded(rgb.convert("CMYK"), "TIFF"),
        "lab.tif": encoded(rgb.convert("LAB"), "TIFF"),
        "whole.tif": encoded(one.convert("I"), "TIFF"),
        "float.tif": encoded(one.convert("F"), "TIFF"),
        "complex.tif": tiff(KSPACE[0]),
        "animated.gif": frames("GIF", 4),
        "animated.png": frames("PNG", 4),
        "animated.webp": frames("WEBP", 4),
        "pages.tif": frames("TIFF", 4),
        "zero-wide.png": png(0, 48, body=b"x"),
        "no-data.png": png(48, 48),
        "bad-depth.png": png(48, 48, depth=7, body=b"x"),
        "zero.bmp": bmp(0, 0),
        "bits.bmp": bmp(48, 48, 3),
        "k-nan.npy": npy(np.where(abs(KSPACE) > 1, np.nan, KSPACE)),
        "k-zero.npy": npy(np.zeros((4, 48, 40), np.complex64)),
        "k-tiny.npy": npy(KSPACE.astype(np.complex128) * 1e-300),
        "k-huge.npy": npy(KSPACE.astype(np.complex128) * 1e300),
        "k-corner.npy": npy(np.fft.fft2(np.ones((4, 48, 40)))),
        "k-coils.npy": npy(np.zeros((65, 32, 32), np.complex64)),
        "k-axes.npy": npy(KSPACE[None, None]),
        "k-none.npy": npy(np.zeros((0, 48, 40), np.complex64)),
        "k-long.npy": npy(KSPACE.astype(np.clongdouble)),
        "k-link.h5": link,
        "k-soft.h5": hdf5(lambda f: f.__setitem__("kspace", h5py.SoftLink("/kspace"))),
        "k-group.h5": hdf5(lambda f: f.create_group("kspace")),
        "k-outside.h5": outside,
        "k-virtual.h5": hdf5(lambda f: f.create_virtual_dataset("kspace", layout)),
        "k-text.h5": dataset(np.array([b"a"] * 40)),
        "k-strings.h5": hdf5(lambda f: f.create_dataset("kspace", (4, 48, 40), h5py.string_dtype())),
        "k-lists.h5": hdf5(lambda f: f.create_dataset("kspace", (4, 48, 40), h5py.vlen_dtype(np.float32))),
        "k-real.h5": dataset(GREY),
        "k-scalar.h5": dataset(np.array(1j)),
        "k-nothing.h5": dataset(h5py.Empty("c8")),
        "k-none.h5": dataset(np.zeros((0, 48, 40), np.complex64)),
        "k-other.h5": hdf5(lambda f: f.create_dataset("é\n" * 40, data=KSPACE)),
        "k-empty.h5": hdf5(lambda f: None),
    }.items()


def files() -> Iterator[tuple[str, bytes]]:
    """All of them."""
    for group in (cut, spoiled, lying, strange, bombs, odd):
        yield from group()


def peak() -> float:
    """The most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _outcome(call: Callable[[], object]) -> tuple[str, str]:
    try:
        call()
    except ValueError as error:
        return "refused" if type(error).__name__ == "FileError" else "ValueError", str(error)
    except BaseException as error:
        return "escaped", f"{type(error).__name__}: {error}"
    return "read", ""


def main(folder: Path) -> None:
    from deqviz.io import reader
    from deqviz.io.image_formats import unpack as read_image
    from deqviz.io.kspace_formats import is_kspace
    from deqviz.io.kspace_formats import unpack as read_kspace

    # As the app runs: a warning is one, and not an error that hides what happens after it.
    warnings.simplefilter("ignore")
    for data in GOOD.values():
        read_kspace(data, None) if is_kspace(data) else read_image(data, 256)
    reader.bound()
    before = peak()
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        for how, call in {
            "picture": lambda: read_image(data, 512),  # noqa: B023 - called at once
            "k-space": lambda: read_kspace(data, None),  # noqa: B023
            "kind": lambda: is_kspace(data),  # noqa: B023
        }.items():
            begun = time.perf_counter()
            what, text = _outcome(call)
            seconds = time.perf_counter() - begun
            row = {"name": path.name, "how": how, "what": what, "text": text, "seconds": seconds}
            sys.stdout.write(json.dumps({**row, "grown": peak() - before}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

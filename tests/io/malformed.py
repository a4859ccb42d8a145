"""Two hundred and fifty files that nobody should upload, made from a seed; and what reading them does.

`python -m tests.io.malformed FOLDER` reads every file of a folder as the page does, a line of JSON for each.
"""

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


def cut() -> Iterator[tuple[str, bytes]]:
    """Every kind, ended in its first bytes, in its header, and in its data."""
    for name, data in GOOD.items():
        for share in (0.01, 0.1, 0.4, 0.8, 0.99):
            yield f"cut-{share}-{name}", data[: max(3, int(share * len(data)))]


def spoiled() -> Iterator[tuple[str, bytes]]:
    """Every kind with other bytes in the header, then anywhere."""
    draw = random.Random(6)
    for name, data in GOOD.items():
        for n in range(5):
            bad = bytearray(data)
            for _ in range(4 if n < 3 else 40):
                bad[draw.randrange(4, min(len(bad), 120) if n < 3 else len(bad))] = draw.randrange(256)
            yield f"spoiled-{n}-{name}", bytes(bad)


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
        "bomb-lies.npz": lying(),
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


def lying() -> bytes:
    """An archive whose directory says 4 kB of what unpacks to 60 MB."""
    data = bytearray(zipped(image_npy=npy(np.zeros((2700, 2700)))))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 4096)
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
    for group in (cut, spoiled, strange, bombs, odd):
        yield from group()


def peak() -> float:
    """The most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _outcome(call: Callable[[], object]) -> tuple[str, str]:
    try:
        call()
    except ValueError as error:
        return "refused" if type(error).__name__ == "UploadError" else "ValueError", str(error)
    except BaseException as error:
        return "escaped", f"{type(error).__name__}: {error}"
    return "read", ""


def main(folder: Path) -> None:
    from deqviz.io.image_formats import unpack as read_image
    from deqviz.io.kspace_formats import is_kspace
    from deqviz.io.kspace_formats import unpack as read_kspace

    # As the app runs: a warning is one, and not an error that hides what happens after it.
    warnings.simplefilter("ignore")
    for data in GOOD.values():
        read_kspace(data, None) if is_kspace(data) else read_image(data, "good", 256)
    before = peak()
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        for how, call in {
            "picture": lambda: read_image(data, path.name, 512),  # noqa: B023 - called at once
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

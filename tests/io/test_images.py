"""Images: every good file becomes a picture, every bad one a sentence, and nothing else ever escapes."""

import contextlib
import hashlib
import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from deqviz.io import FileError, Image
from deqviz.io.budget import MAX_BYTES
from deqviz.io.image_formats import FORMATS, NAMES, SUFFIXES
from deqviz.io.tiff import Header
from tests.io.here import here
from tests.io.here import image as read

here = pytest.fixture(autouse=True)(here)

RNG = np.random.default_rng(0)
GREY = RNG.random((48, 64)).astype(np.float32)
COLOUR = (RNG.random((48, 64, 3)) * 255).astype(np.uint8)
BYTES = (GREY * 255).round().astype(np.uint8)


def encoded(picture: Pillow.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=True, **arrays)
    return file.getvalue()


def tiff(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(depth: int, colour: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG of 40 × 40, row by row as given."""
    length = len(rows) // 40
    body = zlib.compress(b"".join(b"\0" + rows[n * length : (n + 1) * length] for n in range(40)))
    header = struct.pack(">IIBBBBB", 40, 40, depth, colour, 0, 0, 0)
    parts = (chunk(b"IHDR", header), *more, chunk(b"IDAT", body), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@cache
def png_bomb(width: int, height: int) -> bytes:
    """A few kilobytes that unpack to width × height zeros."""
    deflate = zlib.compressobj(1)
    rows = bytes(100 * (1 + width))
    body = b"".join(deflate.compress(rows) for _ in range(height // 100)) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@cache
def npz_bomb() -> bytes:
    return npz(x=np.zeros((6000, 6000)))


def npy_header(shape: tuple[int, ...], kind: str = "<f8") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def frames(kind: str) -> bytes:
    other = Pillow.fromarray(255 - BYTES)
    return encoded(Pillow.fromarray(BYTES), kind, save_all=True, append_images=[other])


def pixels(upload: Image) -> np.ndarray:
    x = upload.pixels
    assert x.dtype == np.float32
    assert x.shape[0] in (1, 3)
    assert 0 <= x.min() <= x.max() <= 1
    return x.transpose(1, 2, 0)


# ---------------------------------------------------------------- good files

LOSSLESS = {
    "png": encoded(Pillow.fromarray(BYTES), "PNG"),
    "bmp": encoded(Pillow.fromarray(BYTES), "BMP"),
    "webp": encoded(Pillow.fromarray(BYTES), "WEBP", lossless=True),
    "gif": encoded(Pillow.fromarray(BYTES), "GIF"),
    "tiff": encoded(Pillow.fromarray(BYTES), "TIFF"),
    "tiff, deflated": tiff(BYTES, compression="zlib"),
    "grey saved as colour": encoded(Pillow.fromarray(BYTES).convert("RGB"), "PNG"),
    "grey palette": encoded(Pillow.fromarray(BYTES).convert("P"), "PNG"),
    "opaque RGBA": encoded(Pillow.fromarray(BYTES).convert("RGBA"), "PNG"),
    "npy": npy(BYTES),
    "npy, column order": npy(np.asfortranarray(BYTES)),
    "npy, 1 × h × w": npy(BYTES[None]),
    "npy, 1 × 1 × h × w": npy(BYTES[None, None]),
    "npz, one array": npz(anything=BYTES),
    "npz, image": npz(other=np.zeros(3), image=BYTES),
    "npz, x": npz(a=np.zeros(3), x=BYTES),
}


@pytest.mark.parametrize("data", LOSSLESS.values(), ids=LOSSLESS)
def test_eight_bits_arrive_exactly(data: bytes) -> None:
    upload = read("picture", data)
    np.testing.assert_array_equal(pixels(upload)[:, :, 0], BYTES.astype(np.float32) / 255)
    assert upload.pixels.shape[0] == 1
    assert not upload.notes
    assert upload.digest == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "data",
    [
        encoded(Pillow.fromarray(COLOUR), "PNG"),
        npy(COLOUR),
        npy(COLOUR.transpose(2, 0, 1)),
        tiff(COLOUR, photometric="rgb"),
    ],
    ids=["png", "npy, channels last", "npy, channels first", "tiff"],
)
def test_colour_is_kept(data: bytes) -> None:
    np.testing.assert_array_equal(pixels(read("c", data)), COLOUR.astype(np.float32) / 255)


def test_jpeg_and_cmyk_are_close() -> None:
    smooth = np.linspace(0, 255, 64 * 48).reshape(48, 64).astype(np.uint8)
    upload = read("a.jpg", encoded(Pillow.fromarray(smooth), "JPEG", quality=95))
    assert np.abs(pixels(upload)[:, :, 0] - smooth / 255).max() < 0.03
    cmyk = Pillow.fromarray(np.stack([smooth] * 3, 2)).convert("CMYK")
    upload = read("a.jpg", encoded(cmyk, "JPEG", quality=95))
    assert np.abs(pixels(upload).mean(2) - smooth / 255).max() < 0.03


@pytest.mark.parametrize(
    "make", [lambda a: encoded(Pillow.fromarray(a), "PNG"), tiff, npy], ids=["png", "tiff", "npy"]
)
def test_sixteen_bits(make: Callable[[np.ndarray], bytes]) -> None:
    deep = (GREY * 65535).round().astype(np.uint16)
    upload = read("deep", make(deep))
    np.testing.assert_allclose(pixels(upload)[:, :, 0], deep / 65535, atol=1e-7)
    assert not upload.notes
    dim = read("dim", make(deep // 16))
    np.testing.assert_allclose(pixels(dim)[:, :, 0], (deep // 16) / 4095, atol=1e-7)
    assert dim.notes == ("12-bit values divided by 4095",)


@pytest.mark.parametrize(("bits", "kind"), [(10, "<u2"), (12, ">u2"), (14, "<u2"), (16, ">u2")])
@pytest.mark.parametrize("make", [npy, tiff, lambda a: encoded(Pillow.fromarray(a.astype("<u2")), "PNG")])
def test_sixteen_bits_hold_as_many_as_were_used(bits: int, kind: str, make: Callable[..., bytes]) -> None:
    white = 2**bits - 1
    values = np.linspace(0, white, 48 * 64).round().reshape(48, 64)
    found = read("", make(values.astype(kind)))
    np.testing.assert_allclose(pixels(found)[:, :, 0], values / white, atol=1e-6)
    assert found.notes == (() if bits == 16 else (f"{bits}-bit values divided by {white}",))


def test_big_endian_numbers() -> None:
    deep = (GREY * 65535).round().astype(">u2")
    np.testing.assert_allclose(pixels(read("a.npy", npy(deep)))[:, :, 0], deep / 65535, atol=1e-7)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_float_in_range_is_untouched(kind: type) -> None:
    for data in (npy(GREY.astype(kind)), tiff(GREY.astype(kind))):
        upload = read("float", data)
        np.testing.assert_array_equal(pixels(upload)[:, :, 0], GREY.astype(kind).astype(np.float32))
        assert not upload.notes


@pytest.mark.parametrize("make", [tiff, npy], ids=["tiff", "npy"])
def test_float_outside_is_scaled_and_says_so(make: Callable[[np.ndarray], bytes]) -> None:
    wide = 300 * GREY - 50
    upload = read("wide", make(wide))
    np.testing.assert_allclose(pixels(upload)[:, :, 0], (wide - wide.min()) / np.ptp(wide), atol=1e-6)
    assert "were scaled to [0, 1]" in upload.notes[0]


def test_huge_range_does_not_overflow() -> None:
    huge = np.zeros((40, 40))
    huge[0, 0], huge[1, 1] = -1.7e308, 1.7e308
    assert pixels(read("a.npy", npy(huge)))[2, 2, 0] == pytest.approx(0.5)


def test_several_float_channels_in_a_tiff() -> None:
    colour = RNG.random((40, 50, 3))
    upload = read("a.tif", tiff(colour, photometric="rgb"))
    np.testing.assert_allclose(pixels(upload), colour, atol=1e-7)


def test_bool_and_signed() -> None:
    mask = GREY > 0.5
    np.testing.assert_array_equal(pixels(read("m.npy", npy(mask)))[:, :, 0], mask)
    one_bit = encoded(Pillow.fromarray(mask), "PNG")
    np.testing.assert_array_equal(pixels(read("m.png", one_bit))[:, :, 0], mask)
    upload = read("s.npy", npy((GREY * 100).astype(np.int32) - 20))
    assert upload.notes[0].startswith("values from -20 to")


def test_transparency_lies_on_white() -> None:
    layer = np.zeros((40, 40, 4), np.uint8)
    layer[:20] = (255, 0, 0, 255)
    upload = read("a.png", encoded(Pillow.fromarray(layer), "PNG"))
    assert upload.notes == ("transparent parts laid on white",)
    np.testing.assert_array_equal(pixels(upload)[0, 0], (1, 0, 0))
    np.testing.assert_array_equal(pixels(upload)[-1, -1], (1, 1, 1))
    grey = encoded(Pillow.merge("LA", [Pillow.new("L", (40, 40), 0), Pillow.new("L", (40, 40), 0)]), "PNG")
    assert read("a.png", grey).pixels.shape == (1, 40, 40)


def test_transparency_of_a_deep_png_lies_on_white() -> None:
    deep = np.full((40, 40), 30000, np.uint16)
    deep[:20] = 1234
    keyed = png_of(16, 0, deep.astype(">u2").tobytes(), chunk(b"tRNS", struct.pack(">H", 1234)))
    upload = read("a.png", keyed)
    assert upload.notes == ("transparent parts laid on white",)
    np.testing.assert_allclose(pixels(upload)[:, 0, 0], [1] * 20 + [30000 / 65535] * 20, atol=1e-6)
    dim = read("a.png", png_of(16, 0, (deep // 10).astype(">u2").tobytes(), chunk(b"tRNS", b"\0\x7b")))
    np.testing.assert_allclose(pixels(dim)[:, 0, 0], [1] * 20 + [3000 / 4095] * 20, atol=1e-6)
    opaque = read("a.png", png_of(16, 0, deep.astype(">u2").tobytes(), chunk(b"tRNS", b"\0\0")))
    assert not opaque.notes


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_transparency_counts_in_the_depth_of_the_file(depth: int) -> None:
    most = 2**depth - 1
    rows = np.zeros((40, 40), np.uint8)
    rows[:20] = most
    packed = np.unpackbits(rows[:, :, None], axis=2)[:, :, -depth:].reshape(40, -1)
    data = np.packbits(packed, axis=1).tobytes()
    for key, values in ((most, [1, 0]), (0, [1, 1])):
        upload = read("a.png", png_of(depth, 0, data, chunk(b"tRNS", struct.pack(">H", key))))
        np.testing.assert_array_equal(pixels(upload)[[0, -1], 0, 0], values)
        assert upload.notes[0].startswith("transparent parts laid on white")


def test_deep_colours_say_that_they_lose_bits() -> None:
    deep = np.broadcast_to(np.array((60000, 300, 20000), np.uint16), (40, 40, 3)).copy()
    deep[:20] = (65535, 0, 4000)
    rows = deep.astype(">u2").tobytes()
    upload = read("a.png", png_of(16, 2, rows))
    np.testing.assert_allclose(pixels(upload), deep / 65535, atol=1 / 255)
    assert upload.notes == ("of 16 bits for each colour 8 are used",)
    keyed = read("a.png", png_of(16, 2, rows, chunk(b"tRNS", struct.pack(">HHH", 65535, 0, 4000))))
    np.testing.assert_array_equal(pixels(keyed)[0, 0], (1, 1, 1))
    np.testing.assert_allclose(pixels(keyed)[-1, 0], deep[-1, 0] / 65535, atol=1 / 255)
    assert keyed.notes == (
        "transparent parts laid on white",
        "of 16 bits for each colour 8 are used",
    )


WHOLE = ["i1", "u2", "i2", "u4", "i4", "u8", "i8"]


def numbers_of(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers nearly from one end of a type to the other, and the greys that they are."""
    info = np.iinfo(kind) if kind in WHOLE else np.finfo(kind)
    grey = np.linspace(0 if info.min == 0 else -0.9, 0.9, 64 * 48).reshape(48, 64)
    is_scaled = kind != "u2"
    return (grey * float(info.max)).astype(kind), (grey - grey[0, 0]) / np.ptp(grey) if is_scaled else grey


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [*WHOLE, "f2", "f4", "f8"])
def test_every_kind_of_number_in_a_tiff(kind: str, order: str, photometric: str) -> None:
    values, grey = numbers_of(kind)
    for options in ({}, {"compression": "zlib"}, {"compression": "zlib", "tile": (32, 32)}):
        data = tiff(values, photometric=photometric, byteorder=order, **options)
        seen = pixels(read("a.tif", data))[:, :, 0]
        wanted = grey if photometric == "minisblack" else 1 - grey
        # Eight bits have so many steps, and half precision so many near its ends.
        np.testing.assert_allclose(seen, wanted, atol={"i1": 0.01, "f2": 1e-3}.get(kind, 1e-4))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["i1", "u2", "i2", "u4", "i4", "f4"])
def test_numbers_that_only_pillow_unpacks(kind: str, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if it were LZW: nothing here writes that in both orders.
    monkeypatch.setattr(Header, "is_plain", property(lambda header: False))
    values, grey = numbers_of(kind)
    data = tiff(values, photometric="minisblack", byteorder=order, compression="zlib")
    if (kind, order) == ("u4", ">"):
        monkeypatch.undo()  # which Pillow does not open
    np.testing.assert_allclose(
        pixels(read("a.tif", data))[:, :, 0], grey, atol=0.01 if kind == "i1" else 1e-4
    )


def test_deep_colours_of_a_tiff_are_exact() -> None:
    deep = (RNG.random((40, 50, 3)) * 65535).astype(np.uint16)
    for options in ({}, {"compression": "zlib"}, {"planarconfig": "separate"}, {"byteorder": ">"}):
        values = np.moveaxis(deep, 2, 0) if "planarconfig" in options else deep
        upload = read("a.tif", tiff(values, photometric="rgb", **options))
        np.testing.assert_allclose(pixels(upload), deep / 65535, atol=1e-7)
        assert not upload.notes
    dim = read("a.tif", tiff(deep // 16, photometric="rgb"))
    np.testing.assert_allclose(pixels(dim), (deep // 16) / 4095, atol=1e-7)


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_orientation_of_a_tiff(turn: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = turn
    upright = pixels(read("a", encoded(Pillow.fromarray(BYTES), "PNG", exif=exif)))
    for values in (BYTES, BYTES / 255.0):
        data = tiff(values, extratags=[(274, 3, 1, turn, True)])
        np.testing.assert_allclose(pixels(read("a.tif", data)), upright, atol=1e-6)


@pytest.mark.parametrize("scale", [5e-324, 2.5e-42, 1e-12, 1e-3])
def test_what_would_be_black_is_scaled_and_says_so(scale: float) -> None:
    ramp = np.tile(np.round(np.linspace(0, 100, 64)), (48, 1)) / 100
    values = np.round(100 * ramp) * 5e-324 if scale == 5e-324 else ramp * scale
    for data in (npy(values), tiff(values)):
        upload = read("a", data)
        np.testing.assert_allclose(pixels(upload)[:, :, 0], ramp, atol=1e-6)
        assert "were scaled to [0, 1]" in upload.notes[0]
    assert not read("a.npy", npy(ramp / 100)).notes, "dark, and still to be seen"


def test_every_version_of_npy() -> None:
    for version in ((1, 0), (2, 0), (3, 0)):
        file = io.BytesIO()
        np.lib.format.write_array(file, BYTES, version)
        np.testing.assert_array_equal(
            pixels(read("a.npy", file.getvalue()))[:, :, 0], BYTES.astype(np.float32) / 255
        )


def test_palette_with_colour() -> None:
    upload = read("a.png", encoded(Pillow.fromarray(COLOUR).quantize(32), "PNG"))
    assert upload.pixels.shape == (3, 48, 64)


def test_exif_orientation_is_obeyed() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    for kind in ("PNG", "TIFF"):
        upload = read("a", encoded(Pillow.fromarray(BYTES), kind, exif=exif))
        np.testing.assert_array_equal(pixels(upload)[:, :, 0], np.rot90(BYTES, -1).astype(np.float32) / 255)
    tall = Pillow.new("RGB", (1200, 600), "red")
    upload = read("a.jpg", encoded(tall, "JPEG", exif=exif), side=128)
    assert upload.pixels.shape == (3, 128, 64)
    assert upload.size == (600, 1200)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP"])
def test_animation_gives_its_first_frame(kind: str) -> None:
    upload = read("a", frames(kind))
    assert np.abs(pixels(upload)[:, :, 0] - BYTES / 255).mean() < 0.1
    assert upload.notes == ("only the first frame is used",)


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}], ids=["float64", "BigTIFF"])
def test_a_tiff_that_pillow_cannot_read_gives_its_first_page(options: dict[str, Any]) -> None:
    pages = np.stack([GREY, 1 - GREY]).astype(np.float64)
    upload = read("a.tif", tiff(pages, photometric="minisblack", **options))
    np.testing.assert_allclose(pixels(upload)[:, :, 0], GREY, atol=1e-7)
    assert upload.notes == ("only the first frame is used",)
    assert not read("a.tif", tiff(pages[0], **options)).notes


@pytest.mark.parametrize(
    "make", [lambda a: encoded(Pillow.fromarray(a), "JPEG", quality=95), npy], ids=["jpeg", "npy"]
)
def test_large_is_resized_and_its_size_is_told(make: Callable[[np.ndarray], bytes]) -> None:
    ramp = np.tile(np.linspace(0, 255, 4000), (3000, 1)).astype(np.uint8)
    upload = read("large", make(ramp[::2, ::2]))
    assert upload.pixels.shape == (1, 192, 256)
    assert upload.size == (2000, 1500)
    assert not upload.notes  # the run may use a smaller one: the form says which
    np.testing.assert_allclose(pixels(upload)[96, :, 0], np.linspace(0, 1, 256), atol=0.02)


def test_odd_sizes_stay_odd() -> None:
    assert read("a.npy", npy(GREY[:47, :63])).pixels.shape == (1, 47, 63)


def test_constant_is_accepted_with_a_word() -> None:
    for array in (np.full((40, 40), 7.0), np.zeros((40, 40), np.uint8), np.full((40, 40), -1e300)):
        notes = read("a.npy", npy(array)).notes
        assert notes[-1] == "the image is constant, so there is nothing to reconstruct"


def test_uploads_are_told_apart_by_their_bytes() -> None:
    first, again, other = (read("a.npy", npy(a)) for a in (GREY, GREY, 1 - GREY))
    assert first == again != other
    assert len({first, again, other}) == 2


# ---------------------------------------------------------------- bad files

TRUNCATED = "damaged or cut off"
BAD: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "empty": (b"", "The file is empty"),
    "too long": (b"\0" * (MAX_BYTES + 1), "has 10.0 MB and the limit is 10 MB"),
    "text": (b"hello, I am no picture" * 40, "not an image that can be read here"),
    "pdf": (b"%PDF-1.7 and so on", "not an image that can be read here"),
    "svg": (b"<svg xmlns='x'></svg>", "not an image that can be read here"),
    "truncated png": (LOSSLESS["png"][:900], TRUNCATED),
    "truncated jpeg": (encoded(Pillow.fromarray(COLOUR), "JPEG")[:900], TRUNCATED),
    "truncated tiff": (LOSSLESS["tiff"][:900], TRUNCATED),
    "truncated npy": (npy(GREY)[:900], TRUNCATED),
    "truncated npz": (npz(x=GREY)[:900], TRUNCATED),
    "header of npy only": (b"\x93NUMPY", TRUNCATED),
    "tiff of nothing": (b"II*\0\x08\0\0\0", TRUNCATED),
    "png bomb": (partial(png_bomb, 9000, 9000), "9000 × 9000 pixels and the limit is 4096 × 4096"),
    "png bomb that Pillow warns of": (
        partial(png_bomb, 12000, 12000),
        "more pixels than the limit|12000 × 12000",
    ),
    "png bomb that Pillow refuses": (partial(png_bomb, 20000, 20000), "more pixels than the limit"),
    "npy bomb": (npy_header((100_000, 100_000)) + b"\0" * 99, "more than 128 MB"),
    "npz bomb": (npz_bomb, "more than 128 MB"),
    "wide npy": (lambda: npz(x=np.zeros((5000, 5000), np.uint8)), "5000 × 5000 pixels and the limit"),
    "tiny": (encoded(Pillow.new("L", (4, 4)), "PNG"), "4 × 4 pixels: choose one of at least 32 × 32"),
    "tiny npy": (npy(GREY[:8]), "64 × 8 pixels: choose one of at least 32 × 32"),
    "thin": (npy(np.zeros((40, 4000))), "too thin with 4000 × 40 pixels"),
    "nan": (npy(np.where(GREY > 0.9, np.nan, GREY)), "NaN or infinite values"),
    "nan in tiff": (tiff(np.where(GREY > 0.9, np.nan, GREY).astype(np.float32)), "NaN or infinite"),
    "inf": (npy(np.where(GREY > 0.9, np.inf, GREY)), "NaN or infinite values"),
    "complex": (tiff((GREY + 1j * GREY).astype(np.complex64)), "complex: save its magnitude"),
    "objects": (npy(np.array([[{}] * 40] * 40, dtype=object)), "Python objects, which are not opened"),
    "strings": (npy(np.array([["a"] * 40] * 40)), "something other than numbers"),
    "dates": (npy(np.zeros((40, 40), "M8[s]")), "something other than numbers"),
    "records": (npy(np.zeros((40, 40), [("é", "f4")])), "something other than numbers"),
    "no numbers": (npy(np.zeros((0, 40))), "holds no numbers"),
    "4-D": (npy(np.zeros((2, 3, 40, 40))), "the shape 2 × 3 × 40 × 40: save one image"),
    "1-D": (npy(np.zeros(1600)), "the shape 1600: save one image"),
    "a number": (npy(np.array(3.0)), "save one image"),
    "two channels": (npy(np.zeros((40, 40, 2))), "the shape 40 × 40 × 2"),
    "npz of two": (npz(a=GREY, b=GREY), "holds 2 arrays: name the one to use"),
    "npz of none": (npz(), "holds no NumPy array"),
}


def made(data: bytes | Callable[[], bytes]) -> bytes:
    """The large ones are packed where they are needed."""
    return data if isinstance(data, bytes) else data()


@pytest.mark.parametrize(("data", "sentence"), BAD.values(), ids=BAD)
# Pillow's own warning about a large header is what one of the bombs is about.
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bad_file_gets_its_sentence(data: bytes | Callable[[], bytes], sentence: str) -> None:
    with pytest.raises(FileError, match=sentence) as refusal:
        read("file", made(data))
    text = str(refusal.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) < 140


def test_a_zip_of_something_else() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    with pytest.raises(FileError, match="holds no NumPy array"):
        read("a.docx", file.getvalue())


@pytest.mark.parametrize("name", ["png bomb", "png bomb that Pillow refuses", "npy bomb", "npz bomb"])
def test_bombs_are_not_unpacked(name: str) -> None:
    data = made(BAD[name][0])
    tracemalloc.start()
    with pytest.raises(FileError):
        read("bomb", data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e6, "as much as reading the header takes, with room"


def test_pickles_are_not_run() -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return pytest.fail, ("the pickle was opened",)

    array = np.empty((40, 40), dtype=object)
    array[0, 0] = Trap()
    for data in (npy(array), npz(x=array)):
        with pytest.raises(FileError, match="Python objects"):
            read("a.npy", data)


@settings(max_examples=150)
@given(
    start=st.sampled_from(
        [*LOSSLESS.values(), frames("GIF"), npy(GREY), encoded(Pillow.fromarray(COLOUR), "JPEG")]
    ),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4),
    keep=st.floats(0.01, 1),
)
# Pillow and tifffile warn of damage before they give up, or read on.
@pytest.mark.filterwarnings("ignore")
def test_damage_never_raises_anything_else(
    start: bytes, edits: list[tuple[float, bytes]], keep: float
) -> None:
    data = bytearray(start[: max(1, int(keep * len(start)))])
    for where, patch in edits:
        at = int(where * (len(data) - 1))
        data[at : at + len(patch)] = patch
    with contextlib.suppress(FileError):
        pixels(read("a", bytes(data)))


def test_suffixes_are_for_a_file_picker() -> None:
    assert {"png", "jpg", "tif", "npy", "npz"} <= set(SUFFIXES)


def test_everything_that_is_read_is_named() -> None:
    assert {kind.lower() for kind in NAMES.replace(" or", ",").split(", ")} <= set(SUFFIXES)
    assert all(kind in NAMES for kind in (*FORMATS, "NPY", "NPZ"))
    with pytest.raises(FileError, match=f"choose {NAMES}"):
        read("a", b"hello, I am no picture")

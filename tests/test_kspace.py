"""Measured k-space: from a file to maps, data and truth; every bad file one sentence."""

import contextlib
import gc
import io
import math
import sys
import weakref

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deqviz import images, kspace
from deqviz.core.metrics import psnr
from deqviz.core.registry import Choice
from deqviz.core.space import inner, magnitude, norm
from deqviz.io.budget import FileError
from deqviz.io.kspace_formats import is_kspace
from deqviz.operators._multicoil import fourier, ring_maps, to_complex
from deqviz.operators.parallel_mri import sampling_mask
from deqviz.scenario import Scenario
from tests.io.here import here, scan

here = pytest.fixture(autouse=True)(here)

COILS, H, W = 6, 96, 80
NOISE = 0.01


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def hdf5(array: np.ndarray, name: str = "kspace", **options) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        archive.create_dataset(name, data=array, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    """The complex picture that was scanned, 96 × 80."""
    brain = images.scaled(images.load("brain", torch.float64), 96)[..., 8:88]
    return images.with_phase(brain / brain.max(), torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def samples(truth) -> np.ndarray:
    """What the scanner wrote: coils × 96 × 80 with noise, in a unit of its own."""
    clean = fourier(ring_maps(COILS, (H, W)) * to_complex(truth), (-2, -1))
    noise = torch.randn(clean.shape, dtype=clean.dtype, generator=torch.Generator().manual_seed(4))
    return (3e-6 * (clean + NOISE * noise)).to(torch.complex64).numpy()


@pytest.fixture(scope="module")
def lines() -> np.ndarray:
    """Which rows a scanner with R = 3 takes."""
    mask = sampling_mask("lines", (H, W), 3.0, 0.15, torch.Generator().manual_seed(0))
    return mask.numpy().astype(np.complex64)


def kept(data: bytes) -> str:
    found = scan(data)
    return kspace.keep(torch.from_numpy(found.samples), found.digest)


def scenario(key: str, method: Choice, std: float = 0.0, **operator) -> Scenario:
    params = {"acceleration": 4.0, **operator}
    noise = Choice("gaussian", {"std": std})
    return Scenario(
        key, 256, Choice("parallel_mri", params), noise, method, iterations=60, tolerance=1e-5
    ).validated()


def end(run: Scenario) -> torch.Tensor:
    x = None
    for iterate in run.run():
        x = iterate.x
        if iterate.k >= run.iterations:
            break
    assert x is not None
    return x


SENSE, ZERO = Choice("tikhonov", {"weight": 0.005}), Choice("baseline")


@pytest.mark.parametrize("pattern", ["points", "lines", "radial"])
@pytest.mark.parametrize("write", [npy, hdf5], ids=["npy", "hdf5"])
def test_from_a_file_to_a_picture_at_four_times_fewer_samples(write, pattern, samples, truth):
    key = kept(write(samples))
    sense, zero = (end(scenario(key, method, pattern=pattern)) for method in (SENSE, ZERO))
    whole = scenario(key, SENSE).truth()
    assert magnitude(whole).max() == pytest.approx(1, abs=1e-5)
    # The reference is what was scanned, up to the noise of all samples together.
    assert psnr(whole, truth.float()) > 38
    assert psnr(sense, whole) > psnr(zero, whole) + 2
    assert psnr(sense, truth.float()) > psnr(zero, truth.float()) + 2


def test_both_kinds_of_file_give_the_same_run(samples):
    first, second = kept(npy(samples)), kept(hdf5(samples, chunks=(1, H, W), compression="gzip"))
    assert first != second  # of the file, which differs
    one, other = (scenario(key, SENSE).posed()[0] for key in (first, second))
    assert torch.equal(one.data, other.data)
    assert one.noise == other.noise


def test_the_data_are_the_measured_samples_and_nothing_else(samples):
    run = scenario(kept(npy(samples)), SENSE)
    problem, whole = run.posed()
    A, y = problem.operator, problem.data
    mask = A.measured
    assert mask is not None
    assert 0.2 < float(mask.mean()) < 0.27
    raw = torch.from_numpy(samples)
    taken = raw * mask[0]
    # One factor for all: the samples as they are, where the pattern takes them.
    factor = inner(y[0, 0][None], taken[None]) / norm(taken[None]).square()
    torch.testing.assert_close(y[0, 0], taken * factor.to(taken.dtype), rtol=1e-5, atol=1e-6)
    # A simulation from the truth would leave no misfit; the scanner's noise and the maps' error do.
    assert whole is not None
    assert float(norm(A(whole) - y) / norm(y)) > 1e-3


def test_noise_is_estimated_and_added_noise_comes_on_top(samples):
    key = kept(npy(samples))
    plain, _ = scenario(key, SENSE).posed()
    noisy, _ = scenario(key, SENSE, std=0.05).posed()
    scale = kspace.prepared(key, 256, "low resolution").picture
    assert magnitude(scale).max() == pytest.approx(1, abs=1e-5)
    # The truth had max |x| = 1, and so has the reference. There is a little of the picture out there as well.
    assert NOISE / 1.1 < plain.noise < 1.2 * NOISE
    assert noisy.noise == pytest.approx(math.hypot(plain.noise, 0.05))
    mask = noisy.operator.measured
    assert mask is not None
    added = noisy.data - plain.data
    assert not added[0][mask == 0].any()
    assert float(added[0][mask > 0].abs().square().mean().sqrt()) == pytest.approx(0.05, rel=0.05)


def test_maps_are_normalised_and_follow_the_coils(samples, truth):
    key = kept(npy(samples))
    maps = kspace.prepared(key, 256, "low resolution").maps
    torch.testing.assert_close(maps.abs().square().sum(0), torch.ones(H, W), rtol=0, atol=1e-5)
    # |⟨S, Ŝ⟩| = 1 where both are the same up to the phase, which belongs to the picture.
    agreement = (maps.conj() * ring_maps(COILS, (H, W))).sum(0).abs()
    inside = magnitude(truth)[0, 0] > 0.2
    assert float(agreement[inside].min()) > 0.98


def test_espirit_maps_agree_with_the_built_in_ones(samples):
    pytest.importorskip("sigpy")
    key = kept(npy(samples))
    plain, better = (kspace.prepared(key, 96, c) for c in ("low resolution", "ESPIRiT"))
    power = better.maps.abs().square().sum(0)
    assert ((power < 1e-6) | ((power - 1).abs() < 1e-3)).all()
    inside = magnitude(plain.picture)[0, 0] > 0.2
    agreement = (plain.maps.conj() * better.maps).sum(0).abs()
    assert float(agreement[inside].quantile(0.02)) > 0.97
    run = scenario(key, SENSE, calibration="ESPIRiT")
    assert (
        psnr(end(run), run.truth()) > psnr(end(scenario(key, ZERO, calibration="ESPIRiT")), run.truth()) + 2
    )


def test_without_sigpy_the_sentence_says_how_to_get_it(samples, monkeypatch):
    kspace._prepared.cache_clear()
    monkeypatch.setitem(sys.modules, "sigpy.mri.app", None)
    with pytest.raises(ValueError, match="pip install 'deqviz\\[espirit\\]'"):
        scenario(kept(npy(samples)), SENSE, calibration="ESPIRiT").posed()


def test_espirit_says_when_the_centre_is_too_small(samples):
    mask = np.arange(H) % 2 == 0
    mask[H // 2 - 4 : H // 2 + 4] = True
    key = kept(npy(samples * mask[:, None]))
    with pytest.raises(ValueError, match="ESPIRiT needs a centre of 12 × 12"):
        scenario(key, SENSE, calibration="ESPIRiT").posed()


def test_gaps_are_found_and_reconstructed_without_a_truth(samples, lines, truth):
    key = kept(hdf5(samples * lines))
    run = scenario(key, SENSE, acceleration=12.0)
    assert not run.is_judged
    with pytest.raises(ValueError, match="it has no ground truth"):
        run.truth()
    problem, nothing = run.posed()
    assert nothing is None
    mask = problem.operator.measured
    assert mask is not None
    # The file's own pattern, whatever the operator's says.
    assert np.array_equal(mask[0, 0].numpy() > 0, lines.real > 0)
    full, zero = end(run), end(scenario(key, ZERO))
    shown = [magnitude(x) / magnitude(x).max() for x in (full, zero, truth.float())]
    assert psnr(shown[0], shown[2]) > psnr(shown[1], shown[2])


def test_gaps_and_another_operator_are_refused(samples, lines):
    key = kept(npy(samples * lines))
    with pytest.raises(ValueError, match="choose Parallel MRI"):
        Scenario(key, operator=Choice("denoising")).validated()
    restored, complaints = Scenario.from_query({"image": key})
    assert restored.image == Scenario().image
    assert len(complaints) == 1


def test_full_kspace_serves_other_operators_as_its_magnitude(samples):
    key = kept(npy(samples))
    run = Scenario(key, size=48, operator=Choice("denoising")).validated()
    x = run.truth()
    assert x.shape == (1, 1, 48, 40)
    assert float(x.min()) >= 0
    assert float(x.max()) == pytest.approx(1, abs=1e-5)


def test_zeros_around_a_full_block_are_no_gaps(samples):
    padded = np.pad(samples, ((0, 0), (0, 0), (10, 8)))
    scan = kspace.scan(kept(npy(padded)))
    assert scan.is_full
    assert not kspace.scan(kept(npy(np.pad(samples, ((0, 0), (40, 40), (40, 40)))))).is_full


def test_a_smaller_size_keeps_the_field_of_view(samples):
    key = kept(npy(samples))
    large, small = (magnitude(kspace.prepared(key, side, "low resolution").picture) for side in (96, 48))
    assert small.shape == (1, 1, 48, 40)
    reduced = images.scaled(large, 48)
    level = small / small.mean() * reduced.mean()
    moved = [psnr(level.roll(step, axis), reduced) for step in (-1, 1) for axis in (2, 3)]
    assert psnr(level, reduced) > max(moved) + 3


def test_one_coil_and_slices(samples):
    single = scan(npy(samples[0]))
    assert single.samples.shape == (1, H, W)
    assert single.slices == 1
    stack = np.stack([samples * (1 + n) for n in range(4)])
    stack[3] = samples[:, ::-1]
    for data in (npy(stack), npy(np.asfortranarray(stack)), hdf5(stack)):
        middle, last = scan(data), scan(data, 4)
        assert (middle.number, middle.slices, last.number) == (3, 4, 4)
        assert middle.digest != last.digest
        # Scaled to its largest part: a factor is no difference, an order of rows is.
        np.testing.assert_allclose(middle.samples, scan(npy(samples)).samples, rtol=1e-6)
        np.testing.assert_allclose(last.samples[:, ::-1], middle.samples, rtol=1e-6)
    assert scan(hdf5(stack), 99).number == 4


def test_an_archive_of_arrays_is_k_space_where_its_array_is_complex(samples):
    def npz(**arrays):
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    plain = scan(npy(samples)).samples
    for data in (
        npz(kspace=samples, mask=np.ones(W)),
        npz(anything=samples),
        npz(image=np.ones((40, 40)), kspace=samples),
    ):
        assert is_kspace(data)
        np.testing.assert_array_equal(scan(data).samples, plain)
    assert scan(npz(kspace=np.stack([samples] * 3)), 3).number == 3
    assert not is_kspace(npz(image=np.ones((40, 40)), other=samples))
    assert not is_kspace(npz(a=samples, b=samples))
    assert not is_kspace(b"PK damaged")


def test_single_coil_files_of_fastmri_have_slices_in_front(samples):
    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        archive["kspace"] = samples
        archive["reconstruction_esc"] = np.zeros((COILS, 32, 32), np.float32)
    found = scan(file.getvalue())
    assert found.samples.shape == (1, H, W)
    assert found.slices == COILS


def test_keys(samples):
    key = kept(npy(samples))
    assert kspace.is_key(key)
    assert kspace.preview(key).shape == (1, 1, 96, 80)
    assert 0 <= kspace.preview(key).min() <= kspace.preview(key).max() <= 1
    with pytest.raises(ValueError, match="upload it again"):
        kspace.check("kspace-0000000000000000")
    with pytest.raises(ValueError, match="hexadecimal"):
        kspace.keep(torch.ones(1, 32, 32, dtype=torch.complex64), "../etc")
    assert Scenario.from_query({"image": "kspace-0000000000000000"})[1]


def test_nothing_made_of_a_scan_outlives_it(samples):
    key = kspace.keep(torch.from_numpy(scan(npy(samples)).samples), "90e5" * 4, "a visitor")
    kspace.preview(key)
    kspace.prepared(key, 48, "low resolution")
    kept_scan = weakref.ref(kspace.scan(key))
    kspace._scans.leave("a visitor")
    gc.collect()
    assert kept_scan() is None
    assert kspace._preview.cache_info().currsize == kspace._prepared.cache_info().currsize == 0
    with pytest.raises(ValueError, match="not kept here"):
        kspace.preview(key)
    with pytest.raises(ValueError, match="not kept here"):
        kspace.prepared(key, 48, "low resolution")


def test_the_least_used_scans_go_first(monkeypatch):
    kspace._scans.clear()
    monkeypatch.setattr(kspace._scans, "capacity", 3 * 32 * 32 * 8)
    flat = torch.ones(1, 32, 32, dtype=torch.complex64)
    first, *_, fourth = (kspace.keep(flat * (n + 1), f"{n:016x}") for n in range(4))
    kspace.check(fourth)
    with pytest.raises(ValueError, match="not kept here"):
        kspace.check(first)


# ---------------------------------------------------------------- bad files

GOOD = np.zeros((2, 40, 36), np.complex64)
GOOD[:, 20, 18] = 1
BROKEN = np.where(GOOD == 1, np.nan, GOOD).astype(np.complex64)


def linked(kind: str) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        if kind == "external link":
            archive["kspace"] = h5py.ExternalLink("/etc/passwd", "/kspace")
        elif kind == "soft link":
            archive["kspace"] = h5py.SoftLink("/nothing")
        elif kind == "group":
            archive.create_group("kspace")
        elif kind == "external storage":
            size = GOOD.size * 8
            archive.create_dataset("kspace", GOOD.shape, GOOD.dtype, external=[("/etc/passwd", 0, size)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout(GOOD.shape, GOOD.dtype)
            layout[:] = h5py.VirtualSource("/etc/passwd", "kspace", GOOD.shape)
            archive.create_virtual_dataset("kspace", layout)
    return file.getvalue()


BAD = {
    "not complex": (hdf5(GOOD.real), "holds no complex numbers"),
    "integers": (hdf5(np.ones((2, 40, 36), np.int16)), "holds no complex numbers"),
    "texts": (hdf5(np.array([[b"a", b"b"]])), "holds no complex numbers"),
    "NaN": (npy(BROKEN), "NaN or infinite"),
    "infinite": (hdf5(np.where(GOOD == 1, np.inf, GOOD).astype(np.complex64)), "NaN or infinite"),
    "only zeros": (npy(GOOD * 0), "only zeros"),
    "empty": (npy(np.zeros((0, 40, 36), np.complex64)), "holds no numbers"),
    "no coils": (hdf5(np.zeros((4, 0, 40, 36), np.complex64)), "holds no numbers"),
    "one axis": (npy(np.ones(64, np.complex64)), "the shape 64: save it as coil × ky × kx"),
    "five axes": (npy(np.ones((1, 1, 1, 32, 32), np.complex64)), "the shape 1 × 1 × 1 × 32 × 32"),
    "scalar": (hdf5(np.array(1j)), "the shape"),
    "no kspace": (hdf5(GOOD, "signal"), "no data set named kspace but signal"),
    "nothing in it": (linked("nothing"), "no data set named kspace but nothing"),
    "coils last": (npy(np.ones((64, 64, 8), np.complex64)), "the coils come first"),
    "small": (npy(np.ones((2, 20, 40), np.complex64)), "below 32 × 32"),
    "many coils": (npy(np.ones((65, 32, 32), np.complex64)), "65 coils and the limit is 64"),
    "not centred": (npy(np.roll(GOOD, (20, 18), (1, 2))), "fftshift"),
    "wide": (npy(np.ones((1, 32, 4097), np.complex64)), "too large with 1 × 32 × 4097"),
    "cut": (npy(GOOD)[:2000], "damaged or cut off"),
    "cut hdf5": (hdf5(GOOD)[:3000], "damaged or cut off"),
    "noise for hdf5": (b"\x89HDF\r\n\x1a\n" + b"\7" * 200, "damaged or cut off"),
    **{
        kind: (linked(kind), "no plain data set")
        for kind in ("external link", "soft link", "group", "external storage", "virtual")
    },
}


@pytest.mark.parametrize(("data", "said"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_sentence(data, said):
    assert is_kspace(data)
    with pytest.raises(FileError, match=said) as caught:
        scan(data)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) < 160


def test_a_promise_of_gigabytes_is_not_unpacked():
    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        archive.create_dataset("kspace", (64, 4096, 4096), np.complex64, chunks=(1, 64, 64))
    assert len(file.getvalue()) < 10_000
    with pytest.raises(FileError, match="too large"):
        scan(file.getvalue())
    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        archive.create_dataset(
            "kspace", (512, 8, 64, 64), np.complex64, chunks=(512, 8, 64, 256), maxshape=(512, 8, 64, None)
        )
    with pytest.raises(FileError, match="chunks"):
        scan(file.getvalue())


@settings(max_examples=100)
@given(
    start=st.sampled_from([hdf5(GOOD), hdf5(GOOD, compression="gzip"), npy(GOOD)]),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4),
    keep=st.floats(0.01, 1),
)
@pytest.mark.filterwarnings("ignore")
def test_damage_never_raises_anything_else(start: bytes, edits: list[tuple[float, bytes]], keep: float):
    data = bytearray(start[: max(1, int(keep * len(start)))])
    for where, patch in edits:
        at = int(where * (len(data) - 1))
        data[at : at + len(patch)] = patch
    with contextlib.suppress(FileError):
        if is_kspace(bytes(data)):
            assert np.isfinite(scan(bytes(data)).samples).all()


def test_too_many_bytes(monkeypatch):
    monkeypatch.setattr("deqviz.io.kspace_formats.MAX_BYTES", 1000)
    with pytest.raises(FileError, match="limit is 200 MB"):
        scan(npy(GOOD))


def test_a_middle_with_gaps_has_no_maps(samples):
    mask = np.ones((H, W), np.complex64)
    mask[H // 2 + 2] = 0
    with pytest.raises(ValueError, match="on 4 × 32 places only"):
        kept(npy(samples * mask))


def test_pictures_are_left_to_the_reader_of_pictures():
    assert not is_kspace(npy(np.ones((40, 40), np.float32)))
    assert not is_kspace(b"\x93NUMPY\x01\x00 damaged")
    assert not is_kspace(b"")

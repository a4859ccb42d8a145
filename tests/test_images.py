"""The gallery: every file is there, every tensor is a picture, and no key reaches outside."""

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from deqviz import images
from deqviz.core.space import magnitude

KEYS = [picture.key for picture in images.gallery()]


@pytest.mark.parametrize("picture", images.gallery(), ids=KEYS)
def test_loads_as_stated(picture: images.Picture) -> None:
    x = images.load(picture.key)
    assert x.shape == (1, picture.channels, 256, 256)
    assert x.dtype == torch.float32
    assert 0 <= x.min() < x.max() <= 1
    assert x.std() > 0.02, "a picture with nothing on it teaches nothing"


def test_is_a_gallery_for_everyone() -> None:
    assert len(KEYS) == len(set(KEYS)) >= 10
    assert {1, 3} == {picture.channels for picture in images.gallery()}
    assert {"camera", "page", "tissue", "brain", "phantom"} <= set(KEYS)


@pytest.mark.parametrize("picture", images.gallery(), ids=KEYS)
def test_files_are_small_and_lossless(picture: images.Picture) -> None:
    if picture.path is None:
        return
    assert picture.path.stat().st_size <= (140_000 if picture.channels == 3 else 70_000)
    with Pillow.open(picture.path) as file:
        assert file.format == "PNG"
        assert file.mode == {1: "L", 3: "RGB"}[picture.channels]


def test_every_file_is_listed() -> None:
    listed = {picture.path for picture in images.gallery() if picture.path}
    assert set(images.FOLDER.glob("*.png")) == listed


@pytest.mark.parametrize("key", ["", "nobody", "../images/camera", "/etc/passwd", "camera.png", "camera\0"])
def test_unknown_key_names_the_known(key: str) -> None:
    with pytest.raises(ValueError, match=r"There is no image .*known are camera, astronaut") as refusal:
        images.load(key)
    assert repr(key) in str(refusal.value)


def test_double_precision_keeps_its_digits() -> None:
    x = images.load("camera", torch.float64)
    assert x.dtype == torch.float64
    assert torch.equal((255 * x).round() / 255, x)


def test_each_load_is_its_own_tensor() -> None:
    images.load("camera").zero_()
    assert images.load("camera").max() > 0.5


def test_from_array() -> None:
    colour = np.zeros((5, 7, 3), np.uint8)
    colour[1, 2] = (255, 51, 0)
    x = images.from_array(colour)
    assert x.shape == (1, 3, 5, 7)
    torch.testing.assert_close(x[0, :, 1, 2], torch.tensor([1.0, 0.2, 0.0]))
    assert images.from_array(np.ones((4, 6))).shape == (1, 1, 4, 6)


@pytest.mark.parametrize("pixels", [np.zeros(4), np.zeros((1, 1, 4, 4)), np.zeros((4, 4), np.int64)])
def test_from_array_refuses(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"axes|floating point"):
        images.from_array(pixels)


def test_phantom_against_its_table() -> None:
    phantom = images.phantom()
    # Skull 1, brain 0.2, ventricle 0, the disc above the middle 0.3 (rounding of the sums of the table).
    for row, column, value in [(12, 128, 1.0), (128, 60, 0.2), (128, 100, 0.0), (70, 128, 0.3), (2, 2, 0.0)]:
        assert phantom[row, column] == pytest.approx(value, abs=1e-12)


def test_phantom_is_one_at_every_size() -> None:
    fine, coarse = images.phantom(128), images.phantom(64)
    halved = fine.reshape(64, 2, 64, 2).mean((1, 3))
    # Only edge pixels differ, by their sub-pixel grid: under 1 % on average.
    assert np.abs(halved - coarse).mean() < 0.01


def test_uploads_are_kept_by_their_content() -> None:
    images._uploads.clear()  # another test of this process may have used the key
    picture = torch.rand(1, 3, 40, 50)
    key = images.keep(picture, "0123456789abcdef" * 4)
    assert key == "upload-0123456789abcdef"
    images.check(key)
    assert torch.equal(images.load(key), picture)
    images.load(key).zero_()
    picture.zero_()
    assert images.load(key).max() > 0, "neither the caller's tensor nor the loaded one is the kept one"
    assert images.load(key, torch.float64).dtype == torch.float64


def test_old_uploads_are_dropped_and_missed_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    images._uploads.clear()
    monkeypatch.setattr(images._uploads, "capacity", 2)
    keys = [images.keep(torch.zeros(1, 1, 32, 32), f"{n:016x}") for n in range(3)]
    with pytest.raises(ValueError, match="upload it again"):
        images.check(keys[0])
    for key in keys[1:]:
        images.check(key)


@pytest.mark.parametrize("digest", ["", "abc", "../../../../etc/passwd", "XYZ" * 9])
def test_only_digests_become_keys(digest: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        images.keep(torch.zeros(1, 1, 32, 32), digest)


def test_scaling_only_shrinks() -> None:
    picture = images.load("astronaut")
    assert images.scaled(picture, 256) is picture
    assert images.scaled(picture, 512) is picture
    small = images.scaled(picture[..., :200, :], 96)
    assert small.shape == (1, 3, 75, 96)
    assert 0 <= small.min() <= small.max() <= 1
    assert small.mean() == pytest.approx(float(picture[..., :200, :].mean()), abs=0.01)


def test_complex_pictures_have_the_picture_as_magnitude_and_parts_of_both_signs():
    picture = images.load("astronaut", torch.float64)
    x = images.with_phase(picture, torch.Generator().manual_seed(0))
    assert x.shape == (1, 2, 256, 256)
    torch.testing.assert_close(magnitude(x), picture.mean(1, keepdim=True), rtol=0, atol=1e-12)
    assert float(x.min()) < -0.2
    other = images.with_phase(picture, torch.Generator().manual_seed(1))
    assert not torch.allclose(x, other)


def test_complex_pictures_keep_their_signs_when_made_smaller():
    x = images.with_phase(images.load("brain"), torch.Generator().manual_seed(0))
    small = images.scaled(x, 64)
    assert -1 <= float(small.min()) < -0.2
    turned = images.scaled(-x, 64)
    torch.testing.assert_close(turned, -small)

"""Weights and cards: what was changed or damaged is refused in one sentence, and lights no theorem."""

import hashlib
import json
import math
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from deqviz import domain
from deqviz.core.registry import Choice
from deqviz.networks import _weights
from deqviz.networks.contractive import ContractiveDenoiser
from deqviz.resources import PRETRAINED
from deqviz.scenario import Scenario


def test_missing_and_damaged_weights_say_what_to_do(tmp_path) -> None:
    with pytest.raises(_weights.WeightsError, match=r"python -m deqviz\.training convex_ridge"):
        _weights.read("convex_ridge", tmp_path)
    source = PRETRAINED
    (tmp_path / "contractive.json").write_bytes((source / "contractive.json").read_bytes())
    with pytest.raises(_weights.WeightsError, match=r"no contractive\.safetensors"):
        _weights.read("contractive", tmp_path)
    blob = bytearray((source / "contractive.safetensors").read_bytes())
    blob[-1] ^= 1
    (tmp_path / "contractive.safetensors").write_bytes(blob)
    with pytest.raises(_weights.WeightsError, match="sha256"):
        _weights.read("contractive", tmp_path)


@pytest.mark.parametrize(
    ("key", "part", "change"),
    [
        ("mol_sn", "constants", {"lipschitz": 0.5}),
        ("mol_sn", "constants", {"product": 0.9}),
        # Another margin is another network: H is scaled by 1 − m.
        ("mol_sn_30", "arguments", {"margin": 0.1}),
        ("convex_ridge", "constants", {"lipschitz": 100.0}),
        ("convex_ridge", "constants", {"monotone": 0.5}),
        ("contractive", "constants", {"lipschitz": math.nan}),
        ("patch_dictionary", "constants", {"lipschitz": 0.5}),
    ],
)
def test_a_card_that_promises_too_much_is_refused(tmp_path, key, part, change) -> None:
    copied(tmp_path, key, {part: original(key)[part] | change})
    with pytest.raises(_weights.WeightsError, match=f"the card {key}.json says .* but its weights have"):
        _weights.read(key, tmp_path)


def test_a_constant_that_nothing_proves_is_refused(tmp_path) -> None:
    # The dictionary's constant was 7.09: as it is written, and as somebody would like it.
    copied(tmp_path, "mol_free", {"constants": {"cocoercive": 20.8}})
    with pytest.raises(_weights.WeightsError, match=r"cocoercive = 20\.8, which nothing proves"):
        _weights.read("mol_free", tmp_path)


@pytest.mark.parametrize("key", [card.key for card in _weights.cards()])
def test_whatever_is_edited_in_a_shipped_card_is_noticed(tmp_path, key) -> None:
    """Of every card every leaf: a constant, the ends of a domain, an architecture, a title."""
    assert original(key)["digest"]
    for place in leaves(original(key)):
        raw = original(key)
        *path, last = place
        part = reduce(getitem, path, raw)
        part[last] = edited(part[last])
        (tmp_path / f"{key}.json").write_text(json.dumps(raw), encoding="utf-8")
        with pytest.raises(_weights.WeightsError, match=r"was changed|is damaged|is that of"):
            _weights.read_card(tmp_path / f"{key}.json")


def test_a_card_is_the_same_however_an_editor_saves_it_and_old_ones_are_read(tmp_path) -> None:
    raw = original("contractive")
    (tmp_path / "contractive.json").write_text("\ufeff" + json.dumps(raw, indent=7), encoding="utf-8")
    assert _weights.read_card(tmp_path / "contractive.json") == _weights.card("contractive")
    copied(tmp_path, "contractive", {})
    assert _weights.read_card(tmp_path / "contractive.json").digest == ""
    assert isinstance(_weights.read("contractive", tmp_path), ContractiveDenoiser)


def test_a_card_that_was_changed_on_purpose_is_sealed_anew(tmp_path) -> None:
    file = tmp_path / "contractive.json"
    file.write_bytes((PRETRAINED / "contractive.json").read_bytes())
    _weights.seal(file)
    assert file.read_bytes() == (PRETRAINED / "contractive.json").read_bytes(), (
        "one that is in order stays so"
    )
    file.write_text(json.dumps(original("contractive") | {"title": "Another"}), encoding="utf-8")
    refused(tmp_path, "contractive", "was changed after it was written")
    _weights.seal(file)
    assert _weights.read_card(file).title == "Another"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"key": "contractive"}',
        b"[" * 5000,
        b'{"a":' * 5000,
        b'{"key": 1' + b"0" * 400 + b"}",
        b'{"key": ' + b"9" * 9000 + b"}",
        "\ufeff{}".encode("utf-16"),
        b"\xff\xfe\x00",
        b"\x00" * 100,
        b" " * 2**21,
    ],
    ids=lambda data: repr(data[:12]),
)
def test_a_card_that_is_none_is_told_in_one_sentence(tmp_path, data) -> None:
    (tmp_path / "contractive.json").write_bytes(data)
    refused(tmp_path, "contractive", "is damaged")


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 10**400},
        {"steps": "many"},
        {"seed": True},
        {"arguments": {"layers": 10**30, "filters": 48, "size": 7}},
        {"arguments": {"layers": "6"}},
        {"arguments": []},
        {"constants": {"lipschitz": "1.0"}},
        {"constants": {"lipschitz": [1.0]}},
        {"constants": {"lipschitz": 10**400}},
        {"validation_psnr": {"5": None}},
        {"domain": None},
        {"domain": {}},
        {"domain": {"trained_for": "x", "level": [1.0]}},
        {"domain": {"trained_for": "x", "level": [math.nan, 1.0]}},
        {"domain": {"trained_for": "x", "operators": {"gaussian_blur": {"width": [3, "a"]}}}},
        {"domain": {"trained_for": "x", "operators": {"gaussian_blur": []}}},
        {"domain": {"trained_for": "x", "images": "head"}},
        {"title": None},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_card_of_wrong_types_is_told_in_one_sentence(tmp_path, change) -> None:
    copied(tmp_path, "contractive", change)
    refused(tmp_path, "contractive", "is damaged")


def test_a_card_of_other_weights_or_without_a_field_is_told(tmp_path) -> None:
    raw = original("contractive_deq")
    (tmp_path / "contractive.json").write_text(json.dumps(raw), encoding="utf-8")
    refused(tmp_path, "contractive", "is that of 'contractive_deq'")
    for name in ("key", "network", "sha256", "constants"):
        raw = {field: value for field, value in original("contractive").items() if field != name}
        (tmp_path / "contractive.json").write_text(json.dumps(raw), encoding="utf-8")
        refused(tmp_path, "contractive", "is damaged")


@pytest.mark.parametrize(
    "state",
    [
        {"filters": torch.zeros(3)},
        {},
        {"atoms": torch.zeros(64, 76)},
        {"atoms": torch.full((64, 77), math.nan)},
        {"atoms": torch.full((64, 77), math.inf)},
        {"atoms": torch.zeros(64, 77, dtype=torch.int64)},
        {"atoms": torch.zeros(64, 77), "more": torch.zeros(1)},
        b"",
        b"\xff" * 100,
        (2**60).to_bytes(8, "little") + b"{}",
    ],
    ids=lambda state: str(state)[:40],
)
def test_weights_that_do_not_fit_are_told_in_one_sentence(tmp_path, state) -> None:
    blob = state if isinstance(state, bytes) else save(state)
    forged(tmp_path, "patch_dictionary", {}, blob)
    refused(tmp_path, "patch_dictionary", "does not fit its card")


@pytest.mark.parametrize(
    "change",
    [
        {"network": "Banana"},
        {"network": "Lista"},
        {"arguments": {}},
        {"arguments": {"rows": 64, "count": 77, "weight": 0.5, "more": 1}},
        {"arguments": {"rows": -64, "count": 77, "weight": 0.5}},
        # As many as this would take terabytes: the weights that are there say that it cannot be.
        {"arguments": {"rows": 10**6, "count": 10**6, "weight": 0.5}},
        {"arguments": {"rows": 10**9, "count": 1, "weight": 0.5}},
        {"network": "MonotoneCNN", "arguments": {"layers": 10**9}},
    ],
    ids=str,
)
def test_a_network_that_is_not_that_of_the_weights_is_told(tmp_path, change) -> None:
    forged(tmp_path, "patch_dictionary", change, (PRETRAINED / "patch_dictionary.safetensors").read_bytes())
    refused(tmp_path, "patch_dictionary", "does not fit its card")


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path) -> None:
    (tmp_path / "contractive.json").mkdir()
    refused(tmp_path, "contractive", "there is no card")
    with pytest.raises(_weights.WeightsError, match="cannot be read: Is a directory"):
        _weights.read_card(tmp_path / "contractive.json")
    (tmp_path / "contractive.json").rmdir()
    copied(tmp_path, "contractive", {})
    (tmp_path / "contractive.safetensors").unlink()
    (tmp_path / "contractive.safetensors").mkdir()
    refused(tmp_path, "contractive", r"has no contractive\.safetensors beside it")


def test_one_damaged_card_takes_nothing_with_it(tmp_path, monkeypatch) -> None:
    for key in ("contractive", "mol_sn"):
        copied(tmp_path, key, {})
    (tmp_path / "mol_sn.json").write_text("{", encoding="utf-8")
    monkeypatch.setattr(_weights, "PRETRAINED", tmp_path)
    assert [card.key for card in _weights.cards()] == ["contractive"]
    (sentence,) = _weights.failures()
    assert "mol_sn.json is damaged. Restore the file" in sentence
    assert domain.of_weights("mol_sn", Choice("parallel_mri"), "brain") is None
    assert domain.use(Scenario(operator=Choice("parallel_mri"), method=Choice("mol"), size=40)) is None


def original(key: str) -> dict:
    return json.loads((PRETRAINED / f"{key}.json").read_text(encoding="utf-8"))


def forged(folder: Path, key: str, change: dict, blob: bytes) -> None:
    """A card as somebody would write it who knows the format: with the right sha256, and no digest."""
    raw = original(key) | {"sha256": hashlib.sha256(blob).hexdigest()} | change
    del raw["digest"]
    (folder / f"{key}.json").write_text(json.dumps(raw), encoding="utf-8")
    (folder / f"{key}.safetensors").write_bytes(blob)


def copied(folder: Path, key: str, change: dict) -> None:
    forged(folder, key, change, (PRETRAINED / f"{key}.safetensors").read_bytes())


def refused(folder: Path, key: str, message: str) -> None:
    with pytest.raises(_weights.WeightsError, match=message) as caught:
        _weights.read(key, folder)
    assert "\n" not in str(caught.value)
    assert f"python -m deqviz.training {key}" in str(caught.value)


def leaves(plain: Any, place: tuple = ()) -> Iterator[tuple]:
    if isinstance(plain, dict | list) and plain:
        for name, value in plain.items() if isinstance(plain, dict) else enumerate(plain):
            yield from leaves(value, (*place, name))
    else:
        yield place


def edited(value: Any) -> Any:
    match value:
        case bool() | None:
            return 1
        case int() | float():
            return value + 1
        case str():
            return value + " "
        case _:
            return [value]

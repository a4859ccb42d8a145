"""Batches: the file, one cell, the table, the journal, resume, and workers that die."""

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import ExifTags
from PIL import Image as Pillow

from deqviz import images
from deqviz.core.registry import Choice
from deqviz.io import table_formats
from deqviz.io.budget import FileError
from deqviz.scenario import Scenario
from deqviz.sweep import command, measure, runner, table
from deqviz.sweep.apart import apart
from deqviz.sweep.batch import Batch, Opened
from deqviz.sweep.journal import Journal
from deqviz.sweep.row import Cell, Measured, label
from deqviz.sweep.summary import groups, markdown, mean
from deqviz.sweep.sweepfile import parse, placed, read
from tests.places import PATIENCE, ROOT, until

SMALL = """
pictures = ["camera", "coins"]
seeds = [0, 1]
size = 32
iterations = 50
tolerance = 1e-3
backend = "threading"
workers = 1
operators = ["gaussian_blur"]
noises = [{ key = "gaussian", std = [0.01, 0.05] }]

[[methods]]
key = "tikhonov"

[[methods]]
title = "Projection"
key = "baseline"
"""


def cell(**changes: object) -> Cell:
    settings = {"size": 32, "iterations": 60, "tolerance": 1e-3, "method": Choice("tikhonov"), **changes}
    return Cell(Scenario(**settings).validated(), "Camera", "Mine")  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def small() -> tuple[Measured, ...]:
    return tuple(measure.measure(c) for c in parse(SMALL).cells())


def swept(tmp_path: Path, text: str = SMALL, *options: str) -> int:
    file = tmp_path / "batch.toml"
    file.write_text(text)
    return command.main([str(file), *options])


# ---------------------------------------------------------------- the file


def test_every_combination_is_a_cell_and_lists_of_values_are_taken_apart():
    sweep = parse(SMALL)
    cells = sweep.cells()
    assert len(cells) == sweep.count == 2 * 1 * 2 * 2 * 2
    assert len({c.id for c in cells}) == len(cells)
    assert {c.scenario.noise.params["std"] for c in cells} == {0.01, 0.05}
    assert {c.method for c in cells} == {"Tikhonov", "Projection"}
    assert {c.picture for c in cells} == {"Cameraman", "Greek coins"}
    assert all(c.scenario == c.scenario.validated() for c in cells)


def test_values_listed_below_a_choice_give_methods_of_their_own():
    inner = 'regularizer = { key = "contractive", sigma = [0.01, 0.02] }'
    sweep = parse(f'[[methods]]\ntitle = "E"\nkey = "equilibrium"\nweight = [0.01, 0.1]\n{inner}')
    assert len(sweep.methods) == 4
    assert "E (weight 0.1, sigma 0.02)" in [m.title for m in sweep.methods]


def test_a_cell_is_known_by_what_it_asks_and_not_by_its_names():
    one = cell()
    assert replace(one, picture="Other", method="Other").id == one.id
    assert cell(seed=1).id != one.id
    assert Scenario.from_json(one.scenario.to_json()) == one.scenario


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pictures = [", "This is not TOML: Invalid value (at end of document)"),
        ("size = 64\nseeds = [0", "This is not TOML"),
        ("picturs = []", "There is no key 'picturs'"),
        ("", "methods must be a list with at least one entry"),
        ('methods = ["magic"]', "methods, entry 1: There is no method 'magic'"),
        ("methods = [3]", "methods, entry 1: expected a key or a table"),
        ("methods = [{ weight = 1 }]", "methods, entry 1: it needs a key"),
        (
            'methods = ["tv", { key = "tv", weight = 1e9 }]',
            "methods, entry 2: Regularisation parameter α is 1000000000.0",
        ),
        ('methods = [{ key = "tv", wait = 1 }]', "has no parameter wait"),
        ('methods = [{ key = "tv", weight = [] }]', "weight lists no value"),
        ('methods = ["tv", "tv"]', "'Total variation' is there twice"),
        ('methods = [{ key = "tv", title = 3 }]', "a title is a text"),
        ('methods = ["tv"]\nnoises = [{ key = "gaussian", title = "x" }]', "only methods have one"),
        ('methods = ["tv"]\npictures = ["nobody"]', "There is no image 'nobody'"),
        ('methods = ["tv"]\npictures = ["none/*.png"]', "no file is called 'none/*.png'"),
        ('methods = ["tv"]\npictures = "camera"', "pictures must be a list of texts"),
        ('methods = ["tv"]\nseeds = [true]', "seeds must be a list of whole numbers"),
        ('methods = ["tv"]\nseeds = [-1]', "seeds: Seed is -1"),
        ('methods = ["tv"]\nsize = 5000', "size: Image size (longer side) is 5000"),
        ('methods = ["tv"]\nout = "rows.csv"', "out must be a text that ends in .parquet"),
        ('methods = ["tv"]\nbackend = "cloud"', "backend is 'cloud'"),
        ('methods = ["tv"]\nworkers = -1', "workers is -1"),
        ('methods = ["tv"]\nbackend = "dask"', "needs the address of its scheduler"),
        ('methods = ["tv"]\naddress = "tcp://x:1"', "belongs to the backends dask and ray"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_in_one_sentence(text: str, said: str):
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_too_many_cells_are_refused_before_they_are_made():
    sweep = replace(parse(SMALL), seeds=tuple(range(100_000)))
    with pytest.raises(ValueError, match="100000 is the most: split the file"):
        sweep.cells()


def test_files_are_pictures_known_by_their_pixels(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 48), np.uint8)
    Pillow.fromarray(pixels).save(tmp_path / "a.png")
    Pillow.fromarray(pixels).save(tmp_path / "b.bmp")
    (tmp_path / "c.txt").write_text("no picture")
    methods = 'methods = ["baseline"]\nsize = 32\n'
    sweep = parse(f'{methods}pictures = ["*.png"]', tmp_path)
    assert [p.title for p in sweep.pictures] == ["a"]
    again = parse(f'{methods}pictures = ["b.bmp"]', tmp_path)
    assert again.cells()[0].id == sweep.cells()[0].id
    row = measure.measure(sweep.cells()[0])
    assert (row.state, row.picture) == ("ended", "a")
    with pytest.raises(ValueError, match=r"c\.txt: The file is not an image"):
        parse(f'{methods}pictures = ["c.txt"]', tmp_path)
    np.save(tmp_path / "d.npy", np.ones((40, 40), np.complex64))
    with pytest.raises(ValueError, match=r"d\.npy"):
        parse(f'{methods}pictures = ["d.npy"]', tmp_path)


def test_an_image_of_a_sweep_is_read_as_one_of_the_app(tmp_path: Path):
    wide = np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8)
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Pillow.fromarray(wide).save(tmp_path / "photo.tiff", exif=exif)
    Pillow.fromarray(np.full((40, 40, 4), (200, 30, 30, 0), np.uint8)).save(tmp_path / "logo.png")
    deep = np.linspace(0, 65535, 1600).astype(np.uint16).reshape(40, 40)
    Pillow.fromarray(deep).save(tmp_path / "deep.png")
    np.save(tmp_path / "array.npy", deep / np.float32(65535))
    text = 'methods = ["baseline"]\nsize = 32\npictures = ["photo.tiff", "logo.png", "deep.png", "array.npy"]'
    photo, logo, png, array = (p.pixels for p in parse(text, tmp_path).pictures)
    assert photo is not None
    assert photo.shape == (1, 3, 64, 40)
    assert bool((logo == 1).all())
    assert png is not None
    assert array is not None
    assert torch.equal(png, array)


def test_the_example_of_the_repository_is_a_sweep():
    sweep = read(ROOT / "benchmarks" / "sweep_example.toml")
    assert sweep.count == len(sweep.cells()) == 36
    assert sweep.out == ROOT / "benchmarks" / "sweep_example.parquet"
    assert placed(sweep, backend="threading").backend == "threading"


# ---------------------------------------------------------------- one cell


def test_a_row_holds_what_the_run_gives():
    asked = cell(noise=Choice("gaussian", {"std": 0.05}))
    row = measure.measure(asked)
    assert row.state == "arrived"
    assert row.cell == asked.id
    assert row.level == 0.05
    assert row.operator == label("operator", asked.scenario.operator) == "Gaussian blur (width 1.6)"
    assert row.psnr is not None
    assert row.data_psnr is not None
    assert row.gain == row.psnr - row.data_psnr
    assert row.residual is not None
    assert row.residual <= 1e-3
    assert (row.guarantee, row.status) == ("Unique minimiser", "certified")
    again = measure.measure(asked)
    assert replace(again, seconds=row.seconds) == row


def test_out_of_iterations_is_told_and_keeps_the_picture():
    row = measure.measure(cell(method=Choice("tv"), iterations=3, tolerance=1e-8))
    assert (row.state, row.iterations) == ("limit", 3)
    assert row.psnr is not None
    assert "Not converged: maximum of 3 iterations" in row.reason


def test_a_thin_image_is_a_row_without_ssim():
    key = images.keep(torch.rand(1, 1, 40, 5, generator=torch.Generator().manual_seed(0)), "6b" * 32)
    row = measure.measure(cell(image=key, size=40))
    assert (row.state, row.ssim) == ("arrived", None)
    assert row.psnr is not None
    assert row.reason == "No SSIM: its window is 7 px wide, the image 5 px."


def test_divergence_is_a_row_and_the_rule_is_that_of_the_live_view():
    steep = Choice(
        "equilibrium",
        {
            "regularizer": Choice("quadratic"),
            "splitting": "explicit",
            "step": 1.5,
            "weight": 1.0,
            "solver": Choice("picard"),
        },
    )
    row = measure.measure(cell(method=steep, iterations=5000, tolerance=1e-6))
    assert row.state == "diverged"
    assert row.psnr is None
    assert row.reason


def test_what_is_refused_or_breaks_is_a_row(monkeypatch: pytest.MonkeyPatch):
    def refuse(self: Scenario) -> None:
        raise ValueError("photons cannot be negative")

    monkeypatch.setattr(Scenario, "posed", refuse)
    row = measure.measure(cell())
    assert (row.state, row.reason, row.psnr) == ("refused", "Photons cannot be negative.", None)

    def crash(self: Scenario) -> None:
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(Scenario, "posed", crash)
    row = measure.measure(cell())
    assert (row.state, row.reason) == ("failed", "RuntimeError: no kernel image.")


def test_on_the_page_a_cell_can_be_left_between_two_iterations():
    batch = Batch((cell(method=Choice("tv"), tolerance=1e-9), cell()))
    stream = batch.run()
    first = [next(stream) for _ in range(5)]
    assert all(p.row is None for p in first)
    rows = [p.row for p in batch.run() if p.row is not None]
    assert [(row.cell,) for row in rows] == list(batch.cells)
    known = [p.row for p in batch.run(rows)]
    assert all(a is b for a, b in zip(known, rows, strict=True)), "nothing is run again"
    assert [p.row for p in Opened(tuple(rows)).run()] == rows


# ---------------------------------------------------------------- the table


def test_a_table_comes_back_as_it_was(small: tuple[Measured, ...], tmp_path: Path):
    lost = replace(small[0], cell="0" * 16, state="diverged", psnr=None, ssim=None, reason="Grew | far.")
    rows = (*small, lost)
    table.write(rows, tmp_path / "t.parquet")
    assert table.read(tmp_path / "t.parquet") == rows
    assert table.opened(table.to_bytes(rows)) == rows
    assert table.opened(table.to_bytes([])) == ()


def test_a_table_with_a_kernel_of_the_largest_side_opens():
    kernels = [";".join(" ".join([f"0.{n}1234567890123456"] * 31) for _ in range(30 + n % 2)) for n in (1, 3)]
    operators = [Choice("kernel_blur", {"kernel": text}) for text in kernels]
    rows = tuple(measure.measure(cell(operator=operator)) for operator in operators)
    assert all(len(row.operator) < 100 for row in rows)
    assert len({row.operator for row in rows}) == 2, "kernels that begin alike have titles of their own"
    assert table.opened(table.to_bytes(rows)) == rows


def damaged(rows: tuple[Measured, ...]) -> Iterator[tuple[bytes, str]]:
    whole = table.to_bytes(rows)
    plain = pa.Table.from_pylist([row.plain() for row in rows], schema=table_formats.SCHEMA)

    def written(t: pa.Table, **options: str) -> bytes:
        out = pa.BufferOutputStream()
        pq.write_table(t, out, **{"compression": "none", **options})  # pyright: ignore[reportArgumentType]
        return out.getvalue().to_pybytes()

    def changed(name: str, values: list[object], kind: pa.DataType) -> bytes:
        at = table_formats.SCHEMA.get_field_index(name)
        return written(plain.set_column(at, pa.field(name, kind), pa.array(values, kind)))

    n = len(rows)
    yield b"", "is no Parquet file"
    yield b"a,b\n1,2\n", "is no Parquet file"
    yield whole[: len(whole) // 2], "its end is missing"
    yield whole[:200] + bytes(300) + whole[500:], "damaged"
    yield b"PAR1" + bytes(40) + b"PAR1", "damaged"
    yield written(plain.replace_schema_metadata(None)), "was not written by `deqviz sweep`"
    yield written(plain.replace_schema_metadata({b"deqviz.sweep": b"9"})), "another version"
    yield written(plain.drop_columns(["psnr"])), "has no column 'psnr'"
    yield written(plain.append_column("more", pa.array(range(n)))), "columns that no sweep writes"
    yield changed("psnr", ["a"] * n, pa.string()), "holds string, not double"
    yield changed("psnr", [float("inf")] * n, pa.float64()), "no finite number"
    yield changed("state", ["happy"] * n, pa.string()), "no state 'happy'"
    yield changed("method", [None] * n, pa.string()), "a 'method' is missing"
    yield changed("iterations", [-1] * n, pa.int64()), "negative"
    yield changed("method", ["x" * 5000] * n, pa.string()), "more than 4000 letters"
    yield changed("cell", ["same"] * n, pa.string()), "a cell twice"
    yield written(plain, compression="zstd"), "is compressed"
    yield written(pa.concat_tables([plain] * (table_formats.ROWS // n + 1))), "5000 is the most"
    yield bytes(table_formats.MAX_BYTES + 1), "20 MB is the most"


def test_a_strange_table_is_refused_in_one_sentence(small: tuple[Measured, ...]):
    for data, said in damaged(small):
        with pytest.raises(ValueError, match=re.escape(said)) as caught:
            table.opened(data, "t.parquet")
        assert "\n" not in str(caught.value)


def test_no_byte_of_a_table_can_do_more_than_be_refused(small: tuple[Measured, ...]):
    whole, rng = table.to_bytes(small), np.random.default_rng(0)
    for n in range(150):
        data = bytearray(whole)
        for at in rng.integers(4, len(whole) - 4, 3):
            data[at] = int(rng.integers(0, 256))
        with contextlib.suppress(FileError):
            told, _ = table_formats.unpack(bytes(data), "t.parquet")
            assert all(isinstance(line, dict) for line in table_formats.lines(told))
        if n < 5:  # with the way to the process and back
            with contextlib.suppress(ValueError):
                assert all(isinstance(row, Measured) for row in table.opened(bytes(data)))


# ---------------------------------------------------------------- means


def test_means_and_spreads(small: tuple[Measured, ...]):
    found = mean([1.0, None, 3.0])
    assert found
    # The sample deviation of 1 and 3 is √2, to rounding.
    assert (found.value, found.count) == (2.0, 2)
    assert found.spread == pytest.approx(2**0.5, rel=1e-12)
    assert mean([None]) is None
    one = mean([4.0])
    assert one
    assert one.spread is None
    assert len(groups(small)) == 4
    lines = markdown(small).splitlines()
    assert len(lines) == 2 + 4
    assert all(line.count("|") == 10 for line in lines)
    psnrs = [r.psnr for r in small if r.noise.endswith("(std 0.05)") and r.method == "Tikhonov"]
    assert f"{np.mean(psnrs):.2f} ± {np.std(psnrs, ddof=1):.2f}" in markdown(small)  # pyright: ignore[reportCallIssue, reportArgumentType]


# ---------------------------------------------------------------- resume


def test_a_cell_is_never_run_twice(tmp_path: Path, calls: list[str], capsys: pytest.CaptureFixture[str]):
    assert swept(tmp_path) == 0
    assert len(calls) == 16
    assert len(table.read(tmp_path / "batch.parquet")) == 16
    assert "16 cells: " in capsys.readouterr().out
    assert swept(tmp_path) == 0
    assert len(calls) == 16, "nothing is left to do"
    assert "16 of them known" in capsys.readouterr().err
    more = SMALL + '\n[[methods]]\nkey = "iterated_tikhonov"\n'
    assert swept(tmp_path, more.replace('"Projection"', '"Back-projection"'), "--csv") == 0
    assert len(calls) == len(set(calls)) == 24, "only the new method's cells"
    rows = table.read(tmp_path / "batch.parquet")
    assert {row.method for row in rows} == {"Tikhonov", "Back-projection", "Iterated Tikhonov"}
    assert [row.cell for row in rows] == [c.id for c in read(tmp_path / "batch.toml").cells()]
    assert len((tmp_path / "batch.csv").read_text().splitlines()) == 25
    assert swept(tmp_path) == 0
    assert "8 more in it are not of this file: they are kept." in capsys.readouterr().out
    assert not (tmp_path / "batch.parquet.journal").exists()


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("iterations = 50", "iterations = 20", "iterations 50"),
        ("tolerance = 1e-3", "tolerance = 1e-2", "tolerance 0.001"),
        ("size = 32", "size = 40", "size 32"),
        ('key = "tikhonov"', 'key = "tikhonov"\ntitle = "Tikhonov"\nweight = 0.5', "weight 0.02"),
    ],
)
def test_rows_of_other_settings_are_kept_apart_under_one_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, name: str
):
    assert swept(tmp_path) == 0
    assert swept(tmp_path, SMALL.replace(old, new)) == 0
    assert "Rows with other settings under the same name are kept apart: " in capsys.readouterr().out
    rows = table.read(tmp_path / "batch.parquet")
    assert f"Tikhonov ({name})" in {row.method for row in rows}
    assert all(len(settings_of(g.rows)) == 1 for g in groups(rows))
    assert [row.cell for row in rows[:16]] == [c.id for c in read(tmp_path / "batch.toml").cells()]
    assert swept(tmp_path) == 0, "and back: the old rows have their name again"
    rows = table.read(tmp_path / "batch.parquet")
    assert {row.method for row in rows[:16]} == {"Tikhonov", "Projection"}
    assert all(len(settings_of(g.rows)) == 1 for g in groups(rows))


def settings_of(rows: Sequence[Measured]) -> set[str]:
    plain = [json.loads(row.scenario) for row in rows]
    return {json.dumps([p[key] for key in ("size", "iterations", "tolerance", "method")]) for p in plain}


def test_another_image_under_a_name_is_not_in_its_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    text = SMALL.replace('["camera", "coins"]', '["camera", "a.png"]')
    for n in range(3):
        pixels = np.random.default_rng(n).integers(0, 255, (40, 40), np.uint8)
        Pillow.fromarray(pixels).save(tmp_path / "a.png")
        assert swept(tmp_path, text) == 0
    assert "kept apart: Projection (another image of this name)" in capsys.readouterr().out
    rows = table.opened((tmp_path / "batch.parquet").read_bytes())
    for group in groups(rows):
        keys = {(row.picture, json.loads(row.scenario)["image"]) for row in group.rows}
        assert len(keys) == len({row.picture for row in group.rows}), group.method
    assert {row.picture for row in rows} == {"Cameraman", "a"}


def test_versions_are_not_mixed_and_old_tables_are_taken_apart(small: tuple[Measured, ...]):
    old = [replace(row, version="0.1.0") for row in small[:4]]
    rows = table.opened(table.to_bytes((*small[4:], *old)))
    assert {row.method for row in rows[-4:]} == {"Tikhonov (version 0.1.0)", "Projection (version 0.1.0)"}
    assert rows[:-4] == small[4:]
    assert apart(rows) == rows, "once is enough"
    texts = ("", "[]", "{}", "[" * 9999)
    strange = [replace(row, scenario=text) for row, text in zip(small, texts, strict=False)]
    assert {row.method for row in apart(strange)} == {"Tikhonov", "Projection"}


def test_kinds_that_read_alike_are_told_apart_in_one_look_at_each(small: tuple[Measured, ...]):
    def like(n: int, **settings: object) -> Measured:
        scenario = json.dumps({**json.loads(small[0].scenario), **settings})
        return replace(small[0], cell=f"{n:016}", scenario=scenario)

    alike = [like(n, tolerance=1 + n * 1e-9) for n in range(1000)]
    twice = [like(n, tolerance=1 + n * 1e-9) for n in range(1000, 2000)]
    names = [row.method for row in apart(alike + twice)]
    assert names[:2] == ["Tikhonov", "Tikhonov (tolerance 1)"]
    assert len(set(names)) == 2000
    assert max(map(len, names)) < 40
    assert [row.method for row in apart(alike * 2)] == names[:1000] * 2
    swapped = [like(n, image=f"upload-{n}", tolerance=2 + n % 2) for n in range(8)]
    assert len({row.method for row in apart(swapped)}) == 8, "no name has two images of one picture"


def test_no_scenario_of_a_stranger_fails_where_rows_are_kept_apart(small: tuple[Measured, ...]):
    plain = json.loads(small[0].scenario)
    deep = json.loads("[" * 900 + "]" * 900)
    for value in (deep, {"a": deep}, {"key": deep}, "\ud800\x1b[2J", 10**4000, math.nan, "x" * 20_000):
        scenario = json.dumps({**plain, "more": value, "method": {"key": "a", "params": {"b": value}}})
        rows = (small[0], replace(small[0], cell="0" * 16, scenario=scenario).retitled())
        first, other = (row.method for row in apart(rows))
        assert first == "Tikhonov"
        assert other.startswith("Tikhonov (")
        assert other.isprintable()
        assert len(other) < 250


def test_files_of_one_name_in_two_folders_are_two_images(tmp_path: Path):
    for n, folder in enumerate(("x", "y")):
        (tmp_path / folder).mkdir()
        pixels = np.random.default_rng(n).integers(0, 255, (40, 40), np.uint8)
        Pillow.fromarray(pixels).save(tmp_path / folder / "a.png")
    sweep = parse('methods = ["baseline"]\npictures = ["*/a.png", "camera"]', tmp_path)
    titles = [p.title for p in sweep.pictures]
    assert len(set(titles)) == 3
    assert all(re.fullmatch("a [0-9a-f]{6}|Cameraman", title) for title in titles)


def test_a_torn_journal_loses_one_line_at_most(
    tmp_path: Path, calls: list[str], small: tuple[Measured, ...], capsys: pytest.CaptureFixture[str]
):
    table.write(small[:3], tmp_path / "batch.parquet")
    lines = [json.dumps(row.plain()) for row in small[2:6]]
    (tmp_path / "batch.parquet.journal").write_text("\n".join(lines)[:-40])
    assert swept(tmp_path) == 0
    assert "1 torn line left out" in capsys.readouterr().err
    assert calls == [row.cell for row in small[5:]]
    rows = table.read(tmp_path / "batch.parquet")
    assert [replace(row, seconds=0.0) for row in rows] == [replace(row, seconds=0.0) for row in small]


def test_ctrl_c_keeps_what_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    seen: list[str] = []

    def interrupted(asked: Cell) -> Measured:
        if len(seen) == 5:
            raise KeyboardInterrupt
        seen.append(asked.id)
        return measure.measure(asked)

    monkeypatch.setattr(runner, "measure", interrupted)
    assert swept(tmp_path) == 130
    assert "Stopped at 5 of 16 cells. To go on, give the same command again." in capsys.readouterr().err
    assert [row.cell for row in table.read(tmp_path / "batch.parquet")] == seen


def test_failed_cells_are_run_again_only_when_asked(
    tmp_path: Path, calls: list[str], small: tuple[Measured, ...]
):
    failed = replace(small[0], state="failed", psnr=None)
    table.write((failed, *small[1:]), tmp_path / "batch.parquet")
    assert swept(tmp_path) == 0
    assert calls == []
    assert swept(tmp_path, SMALL, "--retry") == 0
    assert calls == [failed.cell]
    assert table.read(tmp_path / "batch.parquet")[0].state == "arrived"


def test_two_sweeps_do_not_write_one_table(tmp_path: Path, small: tuple[Measured, ...]):
    with Journal(tmp_path / "t.parquet") as journal:
        assert journal.add(small[0])
        assert not journal.add(small[0])
        with pytest.raises(ValueError, match="Another sweep is writing"), Journal(tmp_path / "t.parquet"):
            pass
    # Left without folding, as a crash would: nothing is lost.
    with Journal(tmp_path / "t.parquet") as journal:
        assert list(journal.rows) == [small[0].cell]


def test_a_table_of_somebody_else_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "batch.parquet")
    before = (tmp_path / "batch.parquet").read_bytes()
    assert swept(tmp_path) == 1
    assert "was not written by `deqviz sweep`" in capsys.readouterr().err
    assert (tmp_path / "batch.parquet").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--backend", "ray"], "pip install ray"),
        (["--backend", "dask"], "needs the address"),
        (["--workers", "-2"], "workers is -2"),
    ],
)
def test_a_backend_that_is_not_there_is_told(
    tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    assert swept(tmp_path, SMALL, *options) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "batch.parquet").exists()


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert command.main([str(tmp_path / "no.toml")]) == 1
    assert "There is no file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main(["x.toml", "--out", "rows.csv"])


# ---------------------------------------------------------------- processes


def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path):
    """The real command on loky, killed without warning as soon as rows have come."""
    file, out = tmp_path / "batch.toml", tmp_path / "batch.parquet"
    file.write_text(SMALL.replace('"threading"', '"loky"').replace("workers = 1", "workers = 2"))
    told = [sys.executable, "-m", "deqviz.sweep", str(file)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    journal = out.with_name("batch.parquet.journal")
    first = subprocess.Popen(told, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: (journal.exists() and journal.stat().st_size > 0) or first.poll() is not None)
    first.send_signal(signal.SIGKILL)
    first.wait(PATIENCE)
    told += ["--backend", "threading"]
    again = subprocess.run(told, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert "of them known" in again.stderr
    rows = table.read(out)
    assert [row.cell for row in rows] == [c.id for c in read(file).cells()]
    assert not journal.exists()


# Dask's own threads and sockets outlive a killed worker for a moment and say so as warnings.
DASK = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A sweep on a cluster one of whose workers is killed, and a cell that kills every worker.

    In a process of its own: a cluster leaves threads and log handlers behind.
    """
    folder = tmp_path_factory.mktemp("cluster")
    script = folder / "cluster.py"
    script.write_text(textwrap.dedent(CLUSTER))
    file = folder / "batch.toml"
    file.write_text(SMALL.replace('backend = "threading"\nworkers = 1\n', ""))
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), str(file)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads(done.stdout.splitlines()[-1])


@DASK
def test_a_dask_worker_is_killed_and_every_row_arrives_once(cluster: tuple[Path, dict[str, Any]]):
    folder, found = cluster
    assert found["killed"] in found["before"]
    assert found["killed"] not in found["after"], "it is really gone"
    rows = table.read(folder / "batch.parquet")
    cells = [c.id for c in read(folder / "batch.toml").cells()]
    assert [row.cell for row in rows] == cells
    assert sorted(found["arrived"]) == sorted(cells), "each once"


@DASK
def test_a_cell_that_kills_every_worker_ends_the_sweep_instead_of_hanging(
    cluster: tuple[Path, dict[str, Any]],
):
    assert cluster[1]["poison"] == "KilledWorker"


CLUSTER = """
    import json, os, signal, sys
    from pathlib import Path

    import dask
    import joblib
    from distributed import Client, LocalCluster

    from deqviz.sweep.cluster import Dask
    from deqviz.sweep.journal import Journal
    from deqviz.sweep.runner import run
    from deqviz.sweep.sweepfile import placed, read


    def die(_):
        os._exit(9)


    def swept(cluster):
        sweep = placed(read(Path(sys.argv[1])), backend="dask", address=cluster.scheduler_address)
        cells = sweep.cells()
        with Client(cluster) as client, Journal(sweep.out) as journal:
            before = list(client.run(os.getpid).values())
            killed, arrived = before[0], []
            for row in run(sweep, cells, journal):
                arrived.append(row.cell)
                if len(arrived) == 2:
                    os.kill(killed, signal.SIGKILL)
            journal.fold({}, [cell.id for cell in cells])
            client.wait_for_workers(2)
            after = list(client.run(os.getpid).values())
        return {"before": before, "after": after, "killed": killed, "arrived": arrived}


    def poisoned(cluster):
        joblib.register_parallel_backend("mended", Dask)
        with Client(cluster) as client, joblib.parallel_config("mended", client=client):
            try:
                list(joblib.Parallel(return_as="generator_unordered", batch_size=1)([joblib.delayed(die)(0)]))
            except Exception as error:
                return type(error).__name__


    if __name__ == "__main__":
        # After the second worker that dies of it, a cell is given up.
        dask.config.set({"distributed.scheduler.allowed-failures": 1})
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            found = swept(cluster)
            found["poison"] = poisoned(cluster)
        print(json.dumps(found))
"""

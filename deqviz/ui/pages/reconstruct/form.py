"""The sidebar: a scenario in widgets. Knows nothing of runs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st
import torch

from deqviz import images, io, kspace
from deqviz.core.quoted import named
from deqviz.core.registry import Choice, Registry, params_of
from deqviz.core.size import fitted
from deqviz.io import image_formats, kspace_formats, settings
from deqviz.io.budget import MAX_BYTES
from deqviz.scenario import METHODS, NOISES, OPERATORS, Scenario, check_picture
from deqviz.ui.components.text import heading, plain
from deqviz.ui.inputs.gallery import gallery
from deqviz.ui.inputs.widgets import choose, entry_form, merge, pick, prefill_choice, widget
from deqviz.ui.shell import address, own_image, session

_PARTS: Mapping[str, Registry[Any]] = {"operator": OPERATORS, "noise": NOISES, "method": METHODS}
_OWN = {p.name: p for p in params_of(Scenario)}

PRESETS: Mapping[str, tuple[str, Scenario]] = {
    "L > 1: no contraction": (
        "L = 1.2: the network may expand, no guarantee holds, several fixed points are possible",
        Scenario(
            method=Choice(
                "equilibrium",
                {"regularizer": Choice("contractive", {"contraction": 1.2}), "solver": Choice("picard")},
            )
        ),
    ),
    "Step size beyond the limit": (
        "An explicit step size beyond the certified limit: watch the iteration diverge",
        Scenario(
            method=Choice(
                "equilibrium",
                {
                    "regularizer": Choice("quadratic"),
                    "splitting": "explicit",
                    "step": 1.3,
                    "solver": Choice("picard"),
                },
            )
        ),
    ),
    "PnP with an unconstrained denoiser": (
        "The same network without Lipschitz constraint, plug-and-play: no guarantee, watch what happens",
        Scenario(method=Choice("pnp_fbs", {"denoiser": "unconstrained"})),
    ),
    "Sparse-view CT": (
        "60 projection angles, total variation: the phantom is piecewise constant",
        Scenario(image="phantom", operator=Choice("tomography"), method=Choice("tv")),
    ),
}
"""Scenarios worth a click: name, what to look at, the scenario."""


def fill(scenario: Scenario) -> None:
    """Write a scenario into the widgets; before any of them is drawn in this run of the script."""
    if scenario.image != st.session_state.get("w.image"):
        _choose(scenario.image)
    st.session_state.pop("problem", None)  # the scenario says it
    for name in _OWN:
        st.session_state[f"w.{name}"] = getattr(scenario, name)
    for name, registry in _PARTS.items():
        prefill_choice(f"w.{name}", registry, getattr(scenario, name))


def form() -> Scenario:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    heading("Image")
    _picture()
    heading("Forward operator")
    operator = _part("operator", "Forward operator")
    heading("Noise")
    noise = _part("noise", "Noise model")
    seed = widget(_OWN["seed"], "w.seed")
    heading("Method")
    entry = pick(METHODS, "w.method", "Method", Scenario().method.key, is_titled=True)
    prefix = f"w.method.{entry.key}"
    basic = entry_form(entry, prefix)
    with st.expander("Advanced"):
        advanced = entry_form(entry, prefix, advanced=True)
        iterations = widget(_OWN["iterations"], "w.iterations")
        tolerance = widget(_OWN["tolerance"], "w.tolerance")
        size = widget(_OWN["size"], "w.size")
    scenario = Scenario(
        image=st.session_state["w.image"],
        size=size,
        operator=operator,
        noise=noise,
        method=Choice(entry.key, merge(basic, advanced)),
        seed=seed,
        iterations=iterations,
        tolerance=tolerance,
    )
    if (asked := st.session_state.pop("problem", None)) is not None:
        # As an address that is opened: a browser that is behind may send the widgets of before once more.
        wanted, noise = asked
        scenario = replace(scenario, operator=operator if wanted.key == operator.key else wanted, noise=noise)
        address.ask("reconstruct", scenario.to_query())
        st.rerun()
    return scenario


def _part(name: str, label: str) -> Choice:
    default: Choice = getattr(Scenario(), name)
    return choose(_PARTS[name], f"w.{name}", label, default.key, is_titled=True)


def _picture() -> None:
    st.session_state.setdefault("w.image", Scenario().image)
    _replace_lost()
    picked = gallery(st.session_state["w.image"], key="gallery")
    if picked is not None and picked != st.session_state["w.image"]:
        _choose(picked)
        st.rerun()
    if lost := st.session_state.get("lost"):
        st.warning(plain(lost))
    with st.expander("Use your own image"):
        # Two, for each shows one limit: that of the server is for k-space.
        offered = (
            st.file_uploader(
                f"{image_formats.NAMES}; or the settings of a run as JSON",
                key="upload",
                type=[*image_formats.SUFFIXES, settings.SUFFIX],
                max_upload_size=MAX_BYTES >> 20,
            ),
            st.file_uploader(
                "Complex k-space, coil × ky × kx, as NPY, NPZ or HDF5",
                key="scan",
                type=["npy", "npz", *kspace_formats.SUFFIXES],
            ),
        )
        files = {file.file_id: file for file in offered if file is not None}
        seen, last = st.session_state.get("seen", ()), st.session_state.get("uploaded", ("",))[0]
        st.session_state.seen = tuple(files)
        # The one that has just come, or else the one that is used, which may have slices.
        if current := next((key for key in files if key not in seen), last if last in files else None):
            _take(files[current].name, files[current].getvalue(), current)
        elif st.session_state.pop("uploaded", None):
            _forget()
        if note := _changes(st.session_state.get("received")):
            st.caption(plain(note))
        if error := st.session_state.get("upload_error"):
            st.error(plain(error))


def _choose(image: str) -> None:
    """Make `image` the picture; what was said about the one before goes, and after k-space its problem."""
    if not kspace.is_key(image) and (before := st.session_state.pop("before_scan", None)) is not None:
        st.session_state.problem = before
    st.session_state["w.image"] = image
    st.session_state.pop("lost", None)
    _forget()


def _forget() -> None:
    for name in ("received", "upload_error"):
        st.session_state.pop(name, None)


def _replace_lost() -> None:
    """An upload goes with its visitor, and old ones sooner: fall back to the default picture, and say so."""
    try:
        check_picture(st.session_state["w.image"])
    except ValueError:
        default = Scenario().image
        title = next(p.title for p in images.gallery() if p.key == default)
        _choose(default)
        st.session_state.lost = (
            f"Your image is not kept here any more: {title} is used until you upload it again."
        )


def _take(name: str, data: bytes, file_id: str) -> None:
    """Read an upload once, or another slice of it; a bad one leaves the picture that was there."""
    last_id, number, slices = st.session_state.get("uploaded") or ("", 1, 1)
    if last_id == file_id:
        chosen = st.slider("Slice", 1, slices, number, key="w.slice") if slices > 1 else number
        if chosen != number:
            _receive(name, data, file_id, chosen)
        return
    st.session_state.uploaded = (file_id, 1, 1)
    st.session_state.pop("w.slice", None)
    _receive(name, data, file_id, None)


def _receive(name: str, data: bytes, file_id: str, number: int | None) -> None:
    _forget()
    try:
        match io.open(data, name, number=number):
            case io.Settings(fields):
                address.ask("reconstruct", Scenario.from_settings(fields).to_query())
            case io.Image() as found:
                _choose(own_image.keep(found))
                height, width = found.pixels.shape[1:]
                st.session_state.received = (found.size, (height, width), "; ".join(found.notes))
            case io.KSpace() as found:
                _show_scan(found, file_id)
    except ValueError as error:
        st.session_state.upload_error = f"{named(name)}: {error}"
    else:
        st.rerun()


def _show_scan(found: io.KSpace, file_id: str) -> None:
    """Make a slice of k-space the picture; the first one sets parallel MRI and no noise but the scanner's."""
    key = kspace.keep(torch.from_numpy(found.samples), found.digest, session.visitor())
    if not kspace.is_key(st.session_state["w.image"]):
        job = session.current()
        now = Scenario() if job is None else job.scenario
        st.session_state.before_scan = now.operator, now.noise
        st.session_state.problem = Choice("parallel_mri"), Choice("gaussian", {"std": 0.0})
    _choose(key)
    st.session_state.uploaded = (file_id, found.number, found.slices)
    parts = [f"{len(found.samples)} coils" if len(found.samples) > 1 else "one coil"]
    if found.slices > 1:
        parts.insert(0, f"slice {found.number} of {found.slices}")
    scan = kspace.scan(key)
    gaps = "undersampled: there is no ground truth, and its own sampling pattern is used"
    parts.append("fully sampled" if scan.is_full else gaps)
    st.session_state.received = (found.size, tuple(scan.mask.shape), "; ".join(parts))


def _changes(received: tuple[tuple[int, int], tuple[int, int], str | None] | None) -> str:
    """What was changed in the upload on its way into a run, whose size is known here alone."""
    if received is None:
        return ""
    size, kept, note = received
    height, width = fitted(*kept, st.session_state.get("w.size", Scenario().size))
    resizing = "" if (width, height) == size else f"resized from {size[0]} × {size[1]} to {width} × {height}"
    return "; ".join(part for part in (note, resizing) if part)

"""Names in links and lesson files of earlier versions, and what they are called now."""

import re
from collections.abc import Mapping

# Presets by the prefix of their page: the title of version 0.1.0, and that of today.
_PRESETS: Mapping[str, Mapping[str, str]] = {
    "n.preset": {
        "Broken on purpose": "Source condition violated",
        "Not a gradient": "Not conservative (no potential)",
        "A learned network on a picture": "A learned network on an image",
    },
    "m.preset": {
        "A film": "A dynamic series",
    },
    "r.preset": {
        "What a guarantee costs": "Robustness against PSNR",
    },
    "t.preset": {
        "Loss lab": "Training losses",
        "How many backward steps": "Truncated backward pass",
        "Window of DE-Prox closes": "Empty step-size range of DE-Prox",
    },
    "u.preset": {
        "One layer is hit": "Noise before one layer",
        "Other signals": "Distribution shift",
        "Train it here": "Live training",
        "The gradient falls, the distance does not": "Descent of the gradient norm",
        "A picture, patch by patch": "Patch-based denoising",
        "Fill a hole": "Inpainting",
        "Strokes and noise": "Inpainting with injected noise",
    },
    "d.preset": {
        "Certified": "Certified decay",
        "Far too narrow": "No certificate: small width",
        "A red flag": "NTK rate violated",
        "Softplus and Wendel": "Softplus and Wendel's law",
        "Noise and 2‖ε‖": "Early-stopping bound 2‖ε‖",
        "Picture prior": "Deep image prior",
        "The four theory views": "All four theory experiments",
    },
    "b.preset": {
        "How much is luck?": "Spread over noise realisations",
    },
    "c.preset": {
        "All roads lead here": "Unique limit from all starts",
        "Contraction lost": "L > 1: no contraction",
        "Not a gradient": "Not conservative (no potential)",
        "Step too long": "Step size beyond the limit",
        "Two limits of the step": "Two step-size limits",
        "Two pictures, one problem": "Two solutions of one problem",
        "Past the training depth": "Beyond the training depth",
    },
    "cmp.preset": {
        "Five on a blur": "Five methods on a blur",
        "Certified or not": "Certified and uncertified",
        "Holes": "Inpainting",
        "One method, four strengths": "One method, four parameters",
    },
    "preset": {
        "Contraction lost": "L > 1: no contraction",
        "Step too long": "Step size beyond the limit",
        "Nothing to hide": "PnP with an unconstrained denoiser",
    },
    "playground.preset": {
        "One equilibrium": "Unique fixed point",
        "Contraction lost": "L > 1: no contraction",
        "Not a gradient": "Not conservative (no potential)",
        "Step too long": "Step size beyond the limit",
        "The data decide": "Fold bifurcation",
    },
}


def class_of(key: str) -> str:
    """The end of the class that Streamlit gives to the widget of this key, in lower case."""
    return re.sub(r"[^a-z0-9_-]", "-", key.lower())


RENAMED: Mapping[str, str] = {
    class_of(f"{prefix}.{earlier}"): class_of(f"{prefix}.{title}")
    for prefix, titles in _PRESETS.items()
    for earlier, title in titles.items()
}
"""From the class of a control in an earlier version to that of today."""

GUARANTEES: Mapping[str, str] = {
    "Predicted line": "A-priori linear rate",
    "Distance by the gap": "A-posteriori error bound",
    "One limit": "Unique limit from all starts",
    "Envelope": "Geometric envelope",
    "Nothing gets nearer": "Lower error bound",
    "This near for certain": "Upper error bound",
    "What A cannot see is at rest": "R(x) ∈ ran A* (null-space component vanishes)",
    "Unrolled bytes": "Activation memory, unrolled",
    "Equilibrium bytes": "Activation memory, equilibrium",
    "Unrolled pictures": "Convergence of the unrolled iterates",
    "Unrolled gradient": "Convergence of the unrolled gradient",
    "Both solve it": "Two solutions",
    "No second solution": "Uniqueness by m-monotonicity",
    "The first solves it": "First solution",
    "Distance": "Symmetric Bregman distance",
    "Error": "Reconstruction error",
    "Data error": "Error in the data",
    "Distance, condition broken": "Bregman distance, source condition violated",
    "Certified width is feasible": "Certified widths are feasible",
    "What is fitted is feasible": "Fitted widths are feasible",
    **{
        f"{name}: each layer descends": f"{name}: descent per layer" for name in ("U", "UN", "C0", "C", "DSN")
    },
}
"""Rows of guarantee tables as the lessons of 0.1.0 named them."""

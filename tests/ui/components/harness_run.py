"""A page with nothing but the live view, fed by a thread that pretends to solve: for the browser tests.

The picture is real, the run is noise that decays at a known rate. `?n=` sets the iterations, `?hz=` the
pace, `?colour=1` a colour picture, `?fail=1` a divergence, `?hold=1` a start that waits for Play,
`?check=1` checks after the run that last until they are stopped, `?gone=1` a button that ends it and removes
the view, `?unserved=1` a Streamlit that does not serve Plotly's script, `?building=1` runs after the first
one that have no pictures yet.
"""

import gc
import threading
import time
import uuid
from dataclasses import dataclass, field

import numpy as np
import streamlit as st
from skimage import data, transform

from deqviz.ui.components import run as live
from deqviz.ui.components.plotly import plotly_script

FACTOR = 0.93


@st.cache_resource(show_spinner=False)
def picture(colour: bool) -> np.ndarray:
    gc.collect()
    gc.freeze()
    full = data.astronaut().transpose(2, 0, 1) / 255 if colour else data.camera()[None] / 255.0
    small = transform.resize(full, (full.shape[0], 256, 256), anti_aliasing=True)
    return np.asarray(small, np.float32)


@st.cache_resource(show_spinner=False)
def blurred(colour: bool) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(1).standard_normal((1, 256, 256)).astype(np.float32)
    return gaussian_filter(picture(colour), (0, 1.6, 1.6)) + 0.01 * noise


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a - b) ** 2)))


def as_bytes(x: np.ndarray) -> np.ndarray:
    return np.round(255 * x.clip(0, 1)).astype(np.uint8)


@dataclass
class FakeJob:
    """Noise that decays: the worker's half of the pattern, without a solver."""

    n: int
    pace: float
    colour: bool
    fail: bool
    check: bool = False
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    state: live.State = "running"
    speed: int = 0
    steps: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.turn = threading.Lock()  # a command finds no iterate on its way, so that "paused" is final
        self.x = picture(self.colour)
        self.noise = np.random.default_rng(0).standard_normal(self.x.shape).astype(np.float32)
        self.columns: dict[str, list[float]] = {
            name: [] for name in ("k", "residual", "psnr", "error", "error_max", "evaluations")
        }
        self.frames: dict[int, np.ndarray] = {}
        threading.Thread(target=self.work, daemon=True, name="harness").start()

    def work(self) -> None:
        k = 0
        while k < self.n and self.state != "stopped":
            with self.turn:
                is_held = self.state == "paused" and not self.steps
                if not is_held:
                    self.one(k)
                    k += 1
                    self.steps = max(0, self.steps - 1)
            if is_held:
                time.sleep(0.01)
                continue
            time.sleep(1 / self.speed if self.speed else self.pace)
            if self.fail and k > self.n // 2:
                self.state = "diverged"
                return
        if self.state != "stopped":
            self.state = "checking" if self.check else "done"

    def one(self, k: int) -> None:
        size = 0.35 * FACTOR**k + 0.012
        if self.fail:
            size = 0.02 * 1.08**k
        x = self.x + size * self.noise
        row = {
            "k": k,
            "residual": 0.1 * FACTOR**k * (1 + 0.3 * np.sin(k)) + 1e-9,
            "psnr": psnr(x, self.x),
            "error": float(np.linalg.norm(x - self.x) / np.linalg.norm(self.x)),
            "error_max": float(np.abs(x - self.x).max()),
            "evaluations": 2 * k + 1,
        }
        with self.lock:
            for name, value in row.items():
                self.columns[name].append(value)
            self.latest = as_bytes(x)
            if k < 8 or k % 4 == 0:
                self.frames[k] = self.latest

    def act(self, command: live.Command) -> None:
        with self.turn:
            self.obey(command)

    def obey(self, command: live.Command) -> None:
        match command.name:
            case "play" if self.state == "paused":
                self.state = "running"
            case "pause" if self.state == "running":
                self.state = "paused"
            case "step" if self.state in ("running", "paused"):
                self.state, self.steps = "paused", self.steps + 1
            case "stop" if self.state in ("running", "paused"):
                self.state = "stopped"
            case "stop" if self.state == "checking":
                self.state = "done"
            case "speed":
                self.speed = command.value

    def view(self) -> live.View:
        state = self.state
        with self.lock:
            columns = {name: np.asarray(values, np.float32) for name, values in self.columns.items()}
            iterate = self.latest if columns["k"].size else None
        k = int(columns["k"][-1]) if columns["k"].size else 0
        ks = np.arange(0, self.n + 1, max(1, self.n // 60))
        columns |= {"predicted_k": ks, "predicted": 0.14 * 0.95**ks}
        first = {name: values[-1] for name, values in columns.items() if values.size}
        return live.View(
            run=self.run,
            state=state,
            k=k,
            k_max=self.n,
            message="The iterates grow without bound: ‖x‖ passed 10³ × ‖y‖ here."
            if state == "diverged"
            else "",
            evaluations=2 * k + 1,
            rate=None if state != "running" else 1 / self.pace,
            residual=float(first.get("residual", np.nan)),
            psnr=float(first.get("psnr", np.nan)),
            error_max=float(first.get("error_max", np.nan)),
            speed=self.speed,
            device="CPU, 2 threads",
            iterate=iterate,
            columns=columns,
            quality=(
                live.Curve("psnr", "iterate", "PSNR (dB)", baseline=23.53),
                live.Curve("error", "iterate", "error ‖x − x†‖ / ‖x†‖", log=True),
            ),
            trajectory=trajectory(k),
            guarantees=ROWS,
            explanation=EXPLANATION,
        )


ROWS = (
    live.Row(
        "Unique equilibrium", "Id − R contracts, L = 0.90 < 1", "certified", "from 3 starts: 4.1·10⁻⁶ apart"
    ),
    live.Row("Rate", "‖x_k − x*‖ ≤ 0.90^k ‖x_0 − x*‖", "certified", "value 0.81, bound 0.90"),
    live.Row(
        "A-posteriori error bound", "‖x_k − x*‖ ≤ κ/(1−κ) ‖x_k − x_{k−1}‖", "certified", "≤ 2.3·10⁻³ now"
    ),
    live.Row("Stability", "‖Δx‖ ≤ ‖Δy‖ / 2√(α(1−L))", "waiting", "no value yet", "press Run on Robustness"),
    live.Row(
        "Rate in the noise",
        "R(x†) ∈ range A*",
        "hypothesis violated",
        "no value",
        "This picture does not satisfy the source condition.",
    ),
    live.Row(
        "Local Lipschitz constant",
        "‖J_T(x_k)‖, power iteration",
        "estimated",
        "≥ 0.79",
        "A power iteration gives a lower bound.",
    ),
    live.Row("Descent", "E(x_{k+1}) ≤ E(x_k)", "violated", "value 3.1, bound 3.0"),
    live.Row("Denoiser", "‖D(x) − D(z)‖ ≤ ‖x − z‖", "stated", "value ≥ 0.93, bound 1", "You state it."),
    live.Row("Source condition", "R(x†) = A*w", "not verifiable", "no value", "No method sees x†."),
    live.Row("Rate of the layers", "d_ℓ ≤ κ^ℓ d_0", "not applicable", "no value", "There is no iteration."),
    live.Row("Envelope", "d_ℓ ≤ (1 − ε)^ℓ d_0 + ζ/ε", "remark", "holds at 10 of 10 points"),
)
EXPLANATION = live.Explanation(
    "A*(Ax − y) + α R(x) = 0",
    "The reconstruction is the picture at which the pull of the data and the pull of the regulariser cancel. "
    "Each step solves the data part exactly and applies the network once; because the network contracts, "
    "every start leads to the same picture.",
    "raise L past 1 and watch the second lamp.",
)


def trajectory(k: int) -> live.Trajectory:
    ks = np.arange(k + 1)
    paths = []
    for i, name in enumerate(("from A*y", "from noise", "from zero")):
        angle = 2.1 * i + 1.2 * (1 - FACTOR**ks)
        radius = np.log1p((0.9 + 0.2 * i) * FACTOR**ks / 1e-2)
        paths.append(live.Path(name, radius * np.cos(angle), radius * np.sin(angle), ks))
    axis = np.linspace(-6, 6, 33)
    grid = np.hypot(axis[None] * 1.1, axis[:, None])
    return live.Trajectory(
        tuple(paths), (0.0, 0.0), live.Shade(axis, axis, grid * 0.6 - 6 + 0.3 * np.sin(axis)[None])
    )


def option(name: str, default: float) -> float:
    return float(st.query_params.get(name, default))


def start() -> FakeJob:
    colour = bool(option("colour", 0))
    job = FakeJob(int(option("n", 300)), option("pace", 0.04), colour, bool(option("fail", 0)))
    job.check = bool(option("check", 0))
    if option("hold", 0):
        job.state = "paused"
        job.steps = 1
    return job


def act(command: live.Command) -> None:
    if command.name == "reset":
        st.session_state.job.state = "stopped"
        st.session_state.job = start()
    elif command.run == st.session_state.job.run:
        st.session_state.job.act(command)


# Every tab asks for itself: the tabs of one server share these modules.
live.plotly_script = lambda: None if option("unserved", 0) else plotly_script()
st.set_page_config(page_title="Live view", layout="wide")
if "job" not in st.session_state:
    st.session_state.job = start()
st.header("Reconstruct", anchor=False)

st.text_input("A widget")
if option("gone", 0) and st.button("Remove"):
    st.session_state.job.state = "stopped"
    st.stop()

job = st.session_state.job
alive = job.state in ("running", "checking")


@st.fragment(run_every=0.1 if alive or job.steps else None)
def panel() -> None:
    now = st.session_state.job
    state = now.state
    live.show(now.view(), on_command=act)
    st.text(f"Speed {now.speed}")
    is_alive = state in ("running", "checking")
    if now.run != job.run or is_alive != alive or (state == "paused" and now.steps):
        st.rerun()


panel()
truth, measured = picture(job.colour), blurred(job.colour)
if st.session_state.setdefault("first", job.run) == job.run or not option("building", 0):
    live.show_pictures(
        live.Pictures(
            job.run,
            as_bytes(truth),
            as_bytes(measured),
            measured_psnr=psnr(truth, measured),
            measured_name="Blurred image",
        )
    )
if not alive and job.frames:
    kept = dict(job.frames)
    live.show_frames(live.Frames(job.run, list(kept), list(kept.values())))

"""The row of buttons that take a run away, below the live view of the Reconstruct page.

Every file is made when its button is clicked, on a thread of its own, and no element comes or goes: while a
run goes on the buttons are there, disabled.
"""

import html
from collections.abc import Callable
from functools import partial

import streamlit as st

from deqviz.core.catalog import OPERATORS
from deqviz.runtime.export_record import Record
from deqviz.runtime.job import Job
from deqviz.runtime.run_snapshot import OVER
from deqviz.script import python_of, upload_file, upload_name
from deqviz.ui.components.text import plain
from deqviz.ui.export import animation as export_animation
from deqviz.ui.export import files as export_files

_STYLE = """<style>
.st-key-export { border: 1px solid light-dark(#e3e6ec, #2a3441); border-radius: 10px; padding: 0.45rem 0.8rem;
  background: light-dark(#ffffff, #171e28); row-gap: 0.4rem; }
.st-key-export button { min-height: 2rem; padding: 0 0.75rem; }
.st-key-export p { margin: 0; }
.deqviz-hint { font-size: 0.875rem; opacity: 0.78; }
.st-key-export_script { min-height: 21.5rem; } /* code comes late: a box that grew would not turn upwards */
.deqviz-export { margin: 0; font-weight: 600; font-size: 1rem; line-height: 2rem; padding: 0; }
</style>"""

# Streamlit's own colours of code are too pale to read; light-dark() does not reach into what pops up.
_CODE = {
    "light": ("#394150", "#2450b8", "#0b6b4a", "#8a4a00", "#566072"),
    "dark": ("#d0d7e2", "#8fb4ff", "#5fd3a2", "#f0b14a", "#a9b4c3"),
}


def show(job: Job) -> None:
    """Draw the row; no download runs the page anew."""
    record = job.record() if job.state == "paused" or job.state == "checking" or job.state in OVER else None
    if record is not None and (not record.frames or not record.snapshot.marks):
        record = None
    _row(job, record)


def _row(job: Job, record: Record | None) -> None:
    st.html(_STYLE + _code_style())
    with st.container(key="export", horizontal=True, vertical_alignment="center", gap="small"):
        st.html('<h2 class="deqviz-export">Export</h2>', width="content")
        _box("Python", _python, record)
        _box("PNG", _png, record)
        for title, help, make, suffix, mime in _FILES:
            name = f"{export_files.stem(job.scenario)}.{suffix}"
            _button(title, name, mime, None if record is None else partial(make, record), help=help)
        _box("Animation", _animation, record)
        st.html(f'<span class="deqviz-hint">{html.escape(_hint(job, record))}</span>', width="content")


def _code_style() -> str:
    plain, keyword, text, number, comment = _CODE["dark" if st.context.theme.type == "dark" else "light"]
    kinds = dict.fromkeys(("", ".operator", ".punctuation"), plain)
    kinds |= {".keyword": keyword, ".string": text, ".string *": text, ".number": number, ".comment": comment}
    lines = [f".st-key-export_script .token{kind} {{ color: {value}; }}" for kind, value in kinds.items()]
    return f"<style>{' '.join(lines)}</style>"


def _box(title: str, fill: Callable[[Record], None], record: Record | None) -> None:
    with st.popover(title, disabled=record is None, key=f"export.{title}"):
        if record is not None:
            fill(record)


def _hint(job: Job, record: Record | None) -> str:
    if record is not None:
        return f"k = {record.frames[-1].k}, {len(record.frames)} iterates are kept"
    if job.state == "failed":
        return "This run has no iterate to export."
    return "Pause the run, or wait for its end, to export it."


def _button(
    title: str, name: str, mime: str, make: Callable[[], bytes] | None, *, help: str | None = None
) -> None:
    """A button that makes its file when it is clicked; disabled without anything to make."""
    st.download_button(
        plain(title),
        # Never bytes: the browser asks for those at once, and a busy server may have dropped them by then.
        make or bytes,
        name,
        mime,
        key=f"export.{title}",
        help=help,
        on_click="ignore",
        disabled=make is None,
    )


def _python(record: Record) -> None:
    """The script, to read, to copy and to download, with what was uploaded beside it."""
    scenario = record.scenario
    try:
        script = python_of(scenario, k=record.ended_at, device=record.device)
    except ValueError as error:
        st.warning(plain(str(error)))
        return
    with st.container(key="export_script"):
        st.code(script, language="python")
    with st.container(horizontal=True):
        _button("Script", f"{export_files.stem(scenario)}.py", "text/x-python", script.encode)
        if (name := upload_name(scenario.image)) is not None:
            _button(name, name, "application/octet-stream", partial(upload_file, scenario.image))
    st.caption(
        "Run it with the Python that DEQViz is installed in: it prints the numbers of this run."
        if name is None
        else "Put both files into one folder, and run the script there."
    )


def _png(record: Record) -> None:
    """Any kept iterate with its error, as on the screen, and the two pictures that stay."""
    ks = [frame.k for frame in record.frames]
    # A run that has gone on, or another one, begins at its newest iterate.
    state = (record.scenario, ks[-1])
    # Streamlit forgets a slider that was not drawn, as while another run goes on.
    if st.session_state.get("export.seen") != state or "export.k" not in st.session_state:
        st.session_state["export.seen"] = state
        st.session_state["export.k"] = ks[-1]
    k = (
        st.select_slider("Iterate k", ks, st.session_state["export.k"], key="export.k")
        if len(ks) > 1
        else ks[0]
    )
    has_truth = record.truth is not None
    gain = 4
    if has_truth:
        gain = st.segmented_control(
            "Error gain",
            export_files.GAINS,
            default=gain,
            format_func="× {}".format,
            key="export.gain",
            required=True,
        )
    name = export_files.stem(record.scenario)
    with st.container(horizontal=True):
        operator = OPERATORS[record.scenario.operator.key].cls
        for title, part in _pictures(k, gain, has_truth, operator.baseline_name).items():
            _button(title, f"{name}-{part}.png", "image/png", partial(_picture, record, k, gain, part))
        _button(
            "All as ZIP",
            f"{name}-k{k}.zip",
            "application/zip",
            partial(export_files.pictures_file, record, k, gain),
        )
    st.caption(f"Of k = {k}; 8 bits per channel, as on screen. NPZ has full precision.")


def _pictures(k: int, gain: int, has_truth: bool, data: str) -> dict[str, str]:
    """The single pictures: the button's title, and the name among `export_files.pictures`."""
    judged = {"Error": f"k{k}-error-x{gain}", "Ground truth": "truth"} if has_truth else {}
    return {"Iterate": f"k{k}", **judged, data: "measured"}


def _picture(record: Record, k: int, gain: int, part: str) -> bytes:
    pixels = export_files.pictures(record, k, gain)[part]
    return export_files.png(pixels, record.scenario.to_json())


def _animation(record: Record) -> None:
    """The kept iterates as a moving picture, in both kinds."""
    name, count = export_files.stem(record.scenario), len(export_animation.chosen(record))
    st.markdown(f"{count} iterates, each with k and PSNR below")
    with st.container(horizontal=True):
        _button("GIF", f"{name}.gif", "image/gif", partial(export_animation.gif, record))
        _button("APNG", f"{name}-animation.png", "image/apng", partial(export_animation.apng, record))
    colours = "in 256 colours" if record.frames[-1].pixels.shape[0] == 3 else "every pixel exact"
    st.caption(f"GIF, {colours}, moves in slides and mails; APNG, every pixel exact, in browsers.")


_FILES = (
    (
        "NPZ",
        "Iterates, data, ground truth and every number, in full precision",
        export_files.arrays,
        "npz",
        "application/octet-stream",
    ),
    ("CSV", "Every number of every iterate", export_files.numbers, "csv", "text/csv"),
    (
        "Settings",
        "Everything that builds this run, as JSON",
        lambda record: export_files.settings(record.scenario).encode(),
        "json",
        "application/json",
    ),
)

"""Nothing that a person wrote, in a link, a file or its name, is ever Markdown or HTML.

Every text that the app hands to Streamlit is a literal, a constant, `plain(…)`, in HTML `html.escape(…)`, a
number with its format, an f-string, a sum or a choice of those, or an own text, listed with its reason.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.places import ROOT

MARKDOWN = {
    *(
        "error",
        "warning",
        "info",
        "success",
        "exception",
        "caption",
        "markdown",
        "toast",
        "subheader",
        "badge",
    ),
    *("spinner", "expander", "popover", "button", "download_button", "link_button", "page_link", "metric"),
    *(
        "form_submit_button",
        "checkbox",
        "toggle",
        "radio",
        "selectbox",
        "multiselect",
        "slider",
        "tabs",
        "pills",
    ),
    *("select_slider", "number_input", "text_input", "text_area", "file_uploader", "segmented_control"),
}
"""What takes Markdown, whatever it is called on."""
AMBIGUOUS = {"title", "header", "write", "status", "progress", "dialog"}
"""What takes it of Streamlit and is a method of others too."""
BODIES = {"label", "body", "help", "placeholder", "captions", "title"}
OPTIONS = {"radio", "segmented_control", "pills", "select_slider"}
"""Whose options are Markdown too; others show them as they stand."""

_SPECS = "of a parameter in the code"
_PRESET = "of a preset in the code"
_LESSON = "Markdown by its author, in the folder of lessons"
OWN = {
    "deqviz/ui/export/bundle.py": {
        "help": "of a file in the code",
        "title": "of a box in the code",
        "k": "a number",
        "count": "a number",
        "colours": "one of two literals",
        "'× {}'.format": "a literal and a number",
        "_code_style()": "a style sheet of constants",
    },
    "deqviz/ui/inputs/image_box.py": {"label": _SPECS},
    "deqviz/ui/inputs/widgets.py": {
        "label": _SPECS,
        "text": _SPECS,
        "help": _SPECS,
        "p.text": _SPECS,
        "pretty": "makes texts of numbers",
    },
    "deqviz/ui/pages/about/page.py": {
        "head": "escaped cell by cell",
        "body": "escaped cell by cell",
        "count": "numbers",
    },
    "deqviz/ui/pages/batch/page.py": {"body": "escaped by charts.means"},
    "deqviz/ui/pages/compare/form.py": {"tip": "one of two literals"},
    "deqviz/ui/pages/lessons/page.py": {
        "lesson.text": _LESSON,
        "lesson.advice": _LESSON,
        "question.text": _LESSON,
        "explanation": _LESSON,
        "texts[right[0]].rstrip('.')": _LESSON,
        "label": "plain above",
        "lambda view: labels[view]": _LESSON,
        "texts.__getitem__": _LESSON,
        "entry(lesson.page).link()": "a page of the app",
        "len(right)": "a number",
    },
    "deqviz/ui/pages/noise/page.py": {"label": _SPECS},
    "deqviz/ui/pages/playground/page.py": {
        "entry.cls.equation": "of a regulariser in the code",
        "name": _PRESET,
        "what": _PRESET,
    },
    "deqviz/ui/pages/reconstruct/form.py": {
        "loader.MAX_BYTES >> 20": "a number",
        "kspace_loader.MAX_BYTES >> 20": "a number",
    },
    "deqviz/ui/pages/reconstruct/page.py": {"name": _PRESET, "what": _PRESET},
    "deqviz/ui/shell/study_page.py": {"name": _PRESET, "what": _PRESET},
    "deqviz/ui/shell/teacher.py": {"style(names)": "names that it has checked"},
    "deqviz/ui/shell/welcome.py": {"lessons": "a page of the app"},
}


def texts(call: ast.Call, name: str) -> Iterator[ast.expr]:
    yield from call.args[:1]
    if name != "html":
        words = BODIES | ({"options", "format_func"} if name in OPTIONS else set())
        yield from (word.value for word in call.keywords if word.arg in words)


def foreign(node: ast.expr, escape: str) -> Iterator[str]:
    """The parts of a text that are neither ours by their form nor escaped."""
    match node:
        case ast.Constant():
            pass
        case ast.Name(id=name) | ast.Attribute(attr=name) if name.isupper():
            pass
        case ast.Call(func=func) if ast.unparse(func) == escape:
            pass
        case ast.FormattedValue(value=value, format_spec=spec):
            # "f", "d", "e", "g" and "%" raise ValueError for a text.
            if spec is None or ast.unparse(spec)[-2] not in "fdeg%":
                yield from foreign(value, escape)
        case ast.JoinedStr(values=parts):
            for part in parts:
                yield from foreign(part, escape)
        case ast.IfExp(body=first, orelse=second) | ast.BinOp(left=first, op=ast.Add(), right=second):
            yield from foreign(first, escape)
            yield from foreign(second, escape)
        case ast.BoolOp(values=parts):
            for part in parts:
                yield from foreign(part, escape)
        case _:
            yield ast.unparse(node)


def found(source: str) -> Iterator[tuple[int, str]]:
    """The line and the source of everything that would have to be escaped, or to be listed."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name, owner = node.func.attr, ast.unparse(node.func.value)
        is_html = name == "html"
        is_streamlit = (name in MARKDOWN and owner != "self") or (name in AMBIGUOUS and owner == "st")
        if is_html or is_streamlit:
            for text in texts(node, name):
                for part in foreign(text, "html.escape" if is_html else "plain"):
                    yield node.lineno, part


FILES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "deqviz" / "ui").rglob("*.py"))
}


def test_every_text_for_streamlit_is_ours_or_plain() -> None:
    parts = [(name, line, part) for name, source in FILES.items() for line, part in found(source)]
    assert [f"{name}:{line}: {part}" for name, line, part in parts if part not in OWN.get(name, {})] == []
    unused = {(name, own) for name, owns in OWN.items() for own in owns} - {(n, p) for n, _, p in parts}
    assert not unused


@pytest.mark.parametrize(
    "line",
    [
        "st.error(message)",
        "left.warning(str(error))",
        'st.caption(f"{file.name} is open")',
        'st.button("Open " + name)',
        'st.toggle("Seen", help=note)',
        'st.info("" if ok else text)',
        'st.write(f"{rows:>5}")',
        'st.html(f"<b>{plain(name)}</b>")',
        "head.html(body)",
        "st.markdown(html.escape(name))",
    ],
)
def test_what_is_neither_is_found(line: str) -> None:
    assert list(found(line))


@pytest.mark.parametrize(
    "line",
    [
        'st.error("No.")',
        "left.info(WAITING)",
        'st.caption(f"{plain(name)}: {size:.1f} MB, {count:,d} of {most:d}")',
        'st.html(f"<b>{html.escape(name)}</b>")',
        'st.info("" if ok else plain(text))',
        "self.error(message)",
        "setting.title(key)",
    ],
)
def test_what_is_ours_is_not(line: str) -> None:
    assert not list(found(line))


def test_the_browser_s_side_makes_no_html_of_text() -> None:
    makers = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "createContextualFragment",
    )
    scripts = sorted((ROOT / "deqviz" / "ui" / "frontend").rglob("*.js"))
    assert scripts
    assert not [
        f"{path.name}: {maker}"
        for path in scripts
        for maker in makers
        if maker in path.read_text(encoding="utf-8")
    ]

"""What the pages with a setting share: how it is opened, followed, presented and drawn.

A page with a study is one `StudyPage` and its sidebar. In the session "<prefix>.setting" is what the study
was begun with, "<prefix>.complaints" what was refused of its address.
"""

import html
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import streamlit as st

from deqviz.runtime.study import OVER, Plan, Study
from deqviz.runtime.worker import worker
from deqviz.ui.components import board
from deqviz.ui.components.text import heading, plain
from deqviz.ui.shell import address, session
from deqviz.ui.shell.study_setting import StudySetting

REFRESH = 0.15
"""Seconds between two looks at a study that is going on."""
WAITING = "A run is active. Your new settings wait until you press Run, or start when it ends."


S = TypeVar("S", bound=StudySetting)


@dataclass(frozen=True)
class SettingPage(ABC, Generic[S]):
    """One page: its name in the address, the prefix of its widgets, and what is its own.

    `read` makes a setting of an address, `fill` writes one into the widgets, `form` draws the sidebar and
    returns what it says.
    """

    page: str
    prefix: str
    question: str
    presets: Mapping[str, tuple[str, S]]
    read: Callable[[Mapping[str, str]], tuple[S, tuple[str, ...]]]
    fill: Callable[[S], None]
    form: Callable[[], S]
    describe: Callable[[S], str]

    @abstractmethod
    def _start(self, setting: S) -> None:
        """Begin anew with this setting and write it into the address bar."""

    @abstractmethod
    def _follow(self, draft: S | None) -> None:
        """Start what the widgets say, at once when nothing is running, else when "Run" is pressed."""

    @abstractmethod
    def _board(self) -> None:
        """Draw what goes on, again and again while it moves."""

    def render(self) -> None:
        """Draw the page; called once per script run."""
        self._open()
        head, notices = st.container(), st.container()
        with st.sidebar:
            st.html('<p class="deqviz-logo">DEQ<b>Viz</b></p>')
            draft = self._draft()
            self._presets()
        with notices:
            self._follow(draft)
            for warning in self._get("complaints", ()):
                st.warning(plain(warning))
        head.html(
            f'<div class="deqviz-head"><h1>{html.escape(address.title())}</h1><span>'
            f"{html.escape(f'{self.question} · {self.describe(self.setting)}')}</span></div>"
        )
        self._board()

    @property
    def setting(self) -> S:
        """What is on the screen."""
        return self._get("setting")

    def _get(self, name: str, default: Any = None) -> Any:
        return st.session_state.get(f"{self.prefix}.{name}", default)

    def _set(self, name: str, value: object) -> None:
        st.session_state[f"{self.prefix}.{name}"] = value

    def _open(self) -> None:
        """Begin what the address asks for, or come back to what was here."""
        visit = address.visit(self.page)
        if visit.query is not None:
            setting, warnings = self.read(visit.query)
            self._set("complaints", warnings)
            self.fill(setting)
            self._start(setting)
        elif visit.is_back:
            self.fill(self.setting)

    def _show(self, setting: S) -> None:
        self._set("setting", setting)
        address.write(self.page, setting.to_query())

    def _draft(self) -> S | None:
        """What the widgets say; None when they contradict each other, and then the page says so."""
        try:
            draft = self.form().validated()
            return replace(draft, streams=self.setting.streams) if draft.is_lasting else draft
        except ValueError as error:
            st.error(plain(str(error)))
            return None

    def _presets(self) -> None:
        heading("Presets")
        for name, (what, setting) in self.presets.items():
            if st.button(name, key=f"{self.prefix}.preset.{name}", help=what, type="tertiary"):
                address.ask(self.page, setting.validated().to_query())
                st.rerun()

    def _ask_to_run(self, draft: S) -> None:
        """Something is going on: what the widgets say begins when "Run" is pressed."""
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.info(WAITING)
        if right.button("Run", type="primary", key=f"{self.prefix}.run", width="stretch"):
            self._start(draft)
            st.rerun()


@dataclass(frozen=True)
class StudyPage(SettingPage[S]):
    """A page with a study: `plan` begins the experiments, on the worker; `draw` turns them into a board."""

    plan: Callable[[S], Plan]
    draw: Callable[[Study, S], board.Board]

    def make(self, setting: S) -> Study:
        """The study of a setting; nothing is computed here."""
        return Study(lambda: self.plan(setting), setting.pixels, setting.demands)

    def _start(self, setting: S) -> None:
        """Replace the study by a new one of this setting and write it into the address bar."""
        session.begin(self.page, self.make(setting))
        self._show(setting)

    def _follow(self, draft: S | None) -> None:
        """Start what the widgets say, at once when nothing is running, else when "Run" is pressed."""
        study = session.study(self.page)
        if draft is None or study is None or draft == self.setting:
            return
        if draft.computation == self.setting.computation:
            self._show(draft)
            return
        if study.state in OVER:
            self._set("complaints", ())
            self._start(draft)
            return
        self._ask_to_run(draft)

    def _act(self, command: board.Command) -> None:
        """Carry out what was clicked on the board; called before the fragment is drawn."""
        study = session.study(self.page)
        if study is None or command.run != study.id:
            return
        obey(study, command.name, lambda: self._start(self.setting))

    def _board(self) -> None:
        """The board of the study that is on the page."""
        watch(self.page, lambda study: self.draw(study, self.setting), self.page, self._act)


def watch(
    name: str,
    draw: Callable[[Study], board.Board],
    key: str,
    on_command: Callable[[board.Command], object],
) -> None:
    """Draw the board of the study of this name in the session, again and again while it moves."""
    study = session.study(name)
    if study is None:
        return
    is_moving = not study.is_settled

    @st.fragment(run_every=session.pace(REFRESH) if is_moving else None)
    def panel() -> None:
        now = session.study(name)
        if now is None:
            return
        is_settled = now.is_settled  # before it is drawn: a row may come between
        view = draw(now)
        if waiting := session.waiting(now):
            view = replace(view, message=waiting)
        board.show(view, key=key, on_command=on_command)
        if now is not study or is_settled == is_moving:
            st.rerun()

    with st.container():  # of its own: pages/reconstruct/page.py says why
        panel()


def obey(study: Study, name: board.CommandName, run: Callable[[], object]) -> None:
    """Carry out a command on a study; `run` begins it again."""
    match name:
        case "run":
            run()
        case "play":
            study.play()
            session.submit(study)
        case "pause":
            study.pause()
        case "stop":
            study.stop()
    worker().wake()

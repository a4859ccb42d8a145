"""The Compare page: its sidebar, its runs side by side, and the search for a parameter."""

from dataclasses import dataclass, replace

import streamlit as st

from deqviz.core.machine import device
from deqviz.runtime.worker import worker
from deqviz.ui.components import compare as compare_view
from deqviz.ui.components.compare.records import Command
from deqviz.ui.pages.compare import screen
from deqviz.ui.pages.compare.form import PAGE, describe, fill, form
from deqviz.ui.pages.compare.run import Comparison
from deqviz.ui.pages.compare.setting import PRESETS, Setting, from_query
from deqviz.ui.pages.compare.tune import Search, targets
from deqviz.ui.shell import address, session
from deqviz.ui.shell.study_page import SettingPage

REFRESH = 0.15
"""Seconds between two looks at runs that go on."""
SEARCH = "compare_search"
"""Under this name the session holds the study of a search."""


def current_comparison() -> Comparison | None:
    """The comparison of this session, kept alive by this call."""
    session.current()
    return st.session_state.get("studies", {}).get(PAGE)


def begin(fresh: Comparison) -> None:
    """Replace the session's comparison and give the new one to the worker."""
    old = current_comparison()
    if old is not None:
        old.replace(fresh)
    st.session_state.setdefault("studies", {})[PAGE] = fresh
    current_comparison()
    for task in fresh.tasks:
        session.submit(task)


@dataclass(frozen=True)
class ComparePage(SettingPage[Setting]):
    """Runs side by side in the place of a study."""

    def _start(self, setting: Setting) -> None:
        begin(Comparison(setting, device(), current_comparison()))
        search: Search | None = self._get("search")
        if search is not None and search.index(setting) is None:
            search.study.stop()
            self._pop("search")
        self._show(setting)

    def _follow(self, draft: Setting | None) -> None:
        """Start what the widgets say, at once when nothing is running, else when "Run" is pressed."""
        comparison = current_comparison()
        if draft is None or comparison is None or draft == self.setting:
            return
        if not comparison.is_live():
            self._set("complaints", ())
            self._start(draft)
            return
        self._ask_to_run(draft)

    def _act(self, command: Command) -> None:
        """Carry out what was clicked in the view; called before the fragment is drawn."""
        comparison = current_comparison()
        if comparison is None or command.run != comparison.id:
            return
        match command.name:
            case "play":
                comparison.play()
            case "pause":
                comparison.pause()
            case "stop":
                comparison.stop()
            case "reset":
                begin(Comparison(comparison.setting, device()))
            case "tune":
                self._search(comparison.setting, command.value)
            case "untune":
                if (search := self._get("search")) is not None:
                    search.study.stop()
            case "take":
                search: Search | None = self._get("search")
                tuned = search.taken(comparison.setting) if search else None
                if tuned is not None:
                    address.ask(PAGE, tuned.to_query())
                    self._set("is_taken", True)
        worker().wake()

    def _search(self, setting: Setting, index: int) -> None:
        """Begin a search, or go on with the one that was stopped."""
        candidates = targets(setting)
        if index >= len(candidates):
            return
        old: Search | None = self._get("search")
        if old is not None and old.target == candidates[index] and old.study.state == "stopped":
            old.study.play()
            session.submit(old.study)
            return
        search = Search.begin(setting, candidates[index], device())
        self._set("search", search)
        session.begin(SEARCH, search.study)

    def _board(self) -> None:
        """The view, looked at again and again while anything moves."""
        comparison = current_comparison()
        if comparison is None:
            return
        comparison.runs[0].ready.wait(1.0)
        pictures, is_moving = screen.pictures(comparison), self._is_moving(comparison)

        @st.fragment(run_every=session.pace(REFRESH) if is_moving else None)
        def panel() -> None:
            now = current_comparison()
            if now is None:
                return
            worker().wake()
            search: Search | None = self._get("search")
            moves = self._is_moving(now)  # before it is drawn: the search may end between
            view = screen.view(now, session.device_name(now.setting.size), search)
            if waiting := next((message for run in now.runs if (message := session.waiting(run))), ""):
                view = replace(view, message=waiting)
            compare_view.show(view, on_command=self._act)
            is_new = self._pop("is_taken") or now is not comparison or moves != is_moving
            if is_new or (screen.pictures(now) is None) != (pictures is None):
                st.rerun()

        # Below the view, not above: what appears before it would shift its place and build it anew.
        with st.container():  # of its own: pages/reconstruct/page.py says why
            panel()
        if pictures is not None:
            compare_view.show_pictures(pictures)
        if comparison.state not in ("preparing", "running"):
            compare_view.show_frames(screen.frames(comparison))

    def _pop(self, name: str) -> object:
        return st.session_state.pop(f"{self.prefix}.{name}", None)

    def _is_moving(self, comparison: Comparison) -> bool:
        search: Search | None = self._get("search")
        return not comparison.is_settled or (search is not None and not search.study.is_settled)


COMPARE = ComparePage(
    page=PAGE,
    prefix="cmp",
    question="which method is better, and where?",
    presets=PRESETS,
    read=from_query,
    fill=fill,
    form=form,
    describe=describe,
)

render = COMPARE.render

"""A closed tab ends its run, and later its uploads; a blink of the connection does not."""

import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from deqviz import images
from deqviz.runtime.job import Job
from deqviz.scenario import Scenario
from deqviz.ui.shell import departure
from tests.places import until


@pytest.fixture
def job(monkeypatch):
    monkeypatch.setattr(departure, "GRACE", 0.1)
    return Job(Scenario(size=48).validated())


def test_a_closed_tab_ends_the_run(job):
    tether = departure.Tether()
    tether.hold(job)
    tether.release()
    assert job.state == "preparing", "a reload of the page comes back sooner"
    until(lambda: job.state == "stopped", "the end of the run")


def test_a_session_that_comes_back_keeps_its_run(job):
    tether = departure.Tether()
    tether.hold(job)
    tether.release()
    assert job.id in departure._ending
    departure.Tether().hold(job)
    assert job.id not in departure._ending
    until(lambda: not departure._ending._is_waiting, "the moment that has passed")
    assert job.state == "preparing"


def test_a_session_that_moved_on_does_not_hold_the_old_run(job):
    other = Job(Scenario(size=48).validated())
    tether = departure.Tether()
    tether.hold(other)
    tether.release()
    until(lambda: other.state == "stopped", "the end of the other run")
    assert job.state == "preparing"


@pytest.fixture
def picture():
    return images.keep(torch.rand(1, 1, 32, 32), "5e55" * 4, "a visitor")


def test_uploads_go_with_their_visitor(picture, monkeypatch):
    monkeypatch.setattr(departure, "KEPT", 0.1)
    departure.Stay("a visitor").release()
    until(lambda: picture not in images._uploads, "the end of the upload")
    assert "a visitor" not in departure._left


def test_a_visitor_who_comes_back_keeps_the_uploads(picture):
    at = AppTest.from_string("from deqviz.ui.shell import session\nsession.stay()")
    at.session_state.visitor = "a visitor"
    at.run()
    departure.Stay("a visitor").release()
    assert "a visitor" in departure._left
    images.check(picture)
    at.run()
    assert "a visitor" not in departure._left
    images.check(picture)
    # Of another visitor's upload whoever opened its link is a holder as well.
    at.session_state.visitor = "another one"
    at.query_params["image"] = picture
    st.cache_resource.clear()
    at.run()
    images._uploads.leave("a visitor")
    images.check(picture)
    images._uploads.leave("another one")
    assert picture not in images._uploads

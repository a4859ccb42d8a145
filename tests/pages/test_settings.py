"""What holds for the settings of every page that has presets; a page is tested by being there."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from deqviz.ui.pages import PAGES

SETTINGS = {
    page.name: import_module(name)
    for page in PAGES
    if find_spec(name := f"deqviz.ui.pages.{page.name}.setting") is not None
}


@pytest.mark.parametrize(
    ("page", "preset"), [(page, preset) for page, module in SETTINGS.items() for preset in module.PRESETS]
)
def test_a_preset_survives_its_address(page: str, preset: str):
    setting: Any = SETTINGS[page].PRESETS[preset][1].validated()
    assert SETTINGS[page].from_query(setting.to_query()) == (setting, ())

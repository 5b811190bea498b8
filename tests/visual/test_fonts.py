from __future__ import annotations

import pytest

from odtool.visual import fonts


@pytest.mark.parametrize("name", ["car", "Tür", "łódź", "кошка", "γάτα"])
def test_names_in_european_scripts_are_legible_with_what_is_always_installed(name: str) -> None:
    font, legible = fonts.find_font(name, 20)
    assert legible
    assert font.getbbox(name)[2] > 0


def test_letters_that_no_font_has_are_told() -> None:
    assert not fonts.find_font("\U0001fffe", 20)[1]

"""Texts that Streamlit shows as they stand; tests/pages/batch/test_batch.py asks Chromium."""

import pytest

from deqviz.ui.components.text import plain

J = "\u2060"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![x](http://a.b/c.png)", rf"!\[x\](http:{J}//a.b/c.png)"),
        ("<b> `c` $d$", r"\<b\> \`c\` \$d\$"),
        ("_a_ ~~b~~ *c* &amp; a|b", r"\_a\_ \~\~b\~\~ \*c\* \&amp; a\|b"),
        (":red[a] :smile: 3: 4", rf":{J}red\[a\] :{J}smile: 3: 4"),
        ("www.a.b c@d.e", f"www{J}.a.b c@{J}d.e"),
        ("a -> b -- c", f"a -{J}\\> b -{J}- c"),
        ("# a", r"\# a"),
        ("- a", r"\- a"),
        ("12. a", r"12\. a"),
        ("  a\n\n# b\n", "a # b"),
        ("k = 3.5, 'x.npy' is not an image.", "k = 3.5, 'x.npy' is not an image."),
    ],
)
def test_a_text_is_shown_as_it_stands(text: str, shown: str) -> None:
    assert plain(text) == shown

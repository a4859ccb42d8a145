"""Formulas in running text: x_k, σ_{min} and κ^k get their index below or above, as on the app's pages.

Code, signatures and addresses keep their underscores.
"""

from collections.abc import Iterator

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from deqviz.glossary import INDEX

_KEPT = (
    nodes.literal,
    nodes.literal_block,
    nodes.raw,
    nodes.comment,
    addnodes.desc_signature,
    addnodes.desc_inline,
    addnodes.pending_xref,
)


class Indices(SphinxPostTransform):
    """Splits every text that has an index."""

    default_priority = 900

    def run(self, **kwargs: object) -> None:
        """Of this document."""
        for text in list(self.document.findall(nodes.Text)):
            if INDEX.search(text) and not _is_kept(text):
                text.parent.replace(text, list(split(str(text))))


def split(text: str) -> Iterator[nodes.Node]:
    """The text and its indices in turn."""
    end = 0
    for index in INDEX.finditer(text):
        yield nodes.Text(text[end : index.start()])
        kind = nodes.subscript if index[1] == "_" else nodes.superscript
        inner = index[2] or index[3] or index[4]
        yield kind("", inner)
        end = index.end()
    yield nodes.Text(text[end:])


def _is_kept(node: nodes.Node) -> bool:
    while node.parent is not None:
        node = node.parent
        if isinstance(node, _KEPT):
            return True
    return False


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(Indices)
    return {"parallel_read_safe": True}

"""The two problems of sparse coding for which networks are shipped."""

from collections.abc import Mapping
from functools import cache

import torch

from deqviz.learning.descent import Descent
from deqviz.learning.primal_dual import Teaching
from deqviz.learning.sparse_coding import SparseCoding, random_dictionary
from deqviz.networks import _weights
from deqviz.networks.dictionary import Dictionary

ROWS, ATOMS = 64, 96
"""Of the random dictionary."""

TEACHINGS: Mapping[str, Teaching] = {
    "plain": Teaching("U"),
    "noise": Teaching("UN", is_noisy=True),
    "descent": Teaching("C0", Descent()),
    "descent_noise": Teaching("C", Descent(), is_noisy=True),
    "deep": Teaching("DSN", is_noisy=True, is_deep=True),
}
"""The five rivals, by the ends of their keys: each of the shipped networks was trained as one of them."""

PATCHED = ("plain", "descent_noise")
"""Those that are shipped for patches of images too."""


@cache
def random_problem() -> SparseCoding:
    """The problem whose D the networks for random signals know: Gaussian atoms of length 1, α = 0.1."""
    return SparseCoding(random_dictionary(ROWS, ATOMS, torch.Generator().manual_seed(0)), 0.1)


@cache
def patch_problem() -> SparseCoding:
    """The problem with the shipped dictionary of patches."""
    dictionary = _weights.load("patch_dictionary")
    assert isinstance(dictionary, Dictionary)
    return SparseCoding(dictionary.atoms, dictionary.weight)

"""What every setting of a study is: plain data that an address can hold."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from deqviz.core.streams import VERSION
from deqviz.runtime.limits import Demand

V = TypeVar("V")


@dataclass(frozen=True)
class StudySetting(ABC):
    """A frozen dataclass of a page; equal settings give equal numbers.

    `streams` is the version of the random streams that the link was written for: see `core.streams`. Where
    `is_lasting`, what the widgets say keeps it; elsewhere the operator brings the seed of an old mask along.
    """

    is_lasting: ClassVar[bool] = False

    streams: int = field(default=VERSION, compare=False, kw_only=True)

    @abstractmethod
    def validated(self: V) -> V:
        """The same with every default written out; raises ValueError with a sentence for what is wrong."""

    @abstractmethod
    def to_query(self) -> dict[str, str]:
        """What differs from the defaults."""

    @property
    @abstractmethod
    def demands(self) -> tuple[Demand, ...]:
        """The image size and the numbers of iterations and steps of its study, which a server limits."""

    @property
    def pixels(self) -> int:
        """The longer side of its images, which decides about torch threads: one up to 128."""
        return 64

    @property
    def computation(self: V) -> V:
        """What the numbers depend on: a change of anything else is drawn without a new study."""
        return self

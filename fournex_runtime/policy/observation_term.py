"""What a kind of observation term of another package is; packages import it from custom_terms."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .options import Option
from .term_kinds import Options

if TYPE_CHECKING:
    from ..pipeline.transforms import Frames
    from .contract_types import Term


class ObservationTerm(abc.ABC):
    """
    A kind of observation term that a package adds; subclass it, and name it as an entry point.

    One object serves every term of its kind in every session, live and in a replay: it keeps
    nothing, and everything that it gives is a function of what it is given.
    """

    unit: str = '1'
    """Unit of the values."""
    ports: tuple[str, ...] = ('',)
    """Names of the topics that it reads; one port named '' for a single one."""
    message_types: Mapping[str, tuple[str, ...]] = {}
    """The message types that a port takes, by its name; any for a port that is not in it."""
    options: tuple[Option, ...] = ()
    """The keys that a contract gives it."""

    def check(self, options: Options) -> str:
        """Return what is wrong with options that are valid one by one; usually empty."""
        return ''

    @abc.abstractmethod
    def labels(self, options: Options) -> Sequence[str]:
        """Return a name for each value, in order; as many for the same options every time."""

    @abc.abstractmethod
    def read(self, messages: Mapping[str, Any], term: Term, frames: Frames) -> Sequence[float]:
        """
        Return the values out of the newest messages, before ``relative_to``, clip and scale.

        :param messages: by port; attributes are the fields, numeric arrays are numpy arrays.
        :param term: the term with its options, labels and frame.
        :param frames: where frames are, if the wiring has ``frames``.
        :raises MessageError: a message lacks what it takes; the session reacts to an invalid
            input. Any other error counts as one, too.
        """

"""Terms whose kind is another package's, kept to what every reader must hold to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import MessageError, WiringError
from ..policy.contract import Term
from ..policy.installed_terms import installed_term
from .fields import Vector
from .ports import Port, Source
from .transforms import Frames


class CustomReader:
    """
    Reads a term by the object of its package.

    :param term: the term.
    :param ports: its ports by name, each with its source.
    :param prefix: put before the contract's frame.
    :raises WiringError: it cannot be read from that message type, or in that unit.
    """

    def __init__(self, term: Term, ports: Mapping[str, tuple[Port, Source]], prefix: str) -> None:
        frame = prefix + term.frame if term.frame else ''
        self._term = dataclasses.replace(term, frame=frame)
        self._custom = installed_term(term.kind).term
        self._ports = tuple(ports)
        for name, (port, source) in ports.items():
            types = self._custom.message_types.get(name, (source.type,))
            if source.type not in types:
                raise WiringError(
                    f'a {term.kind} cannot be read from {source.type}; expected one of '
                    f'{", ".join(types)}'
                )
            if port.unit:
                raise WiringError(f'unit: is not for a {term.kind}, which knows its unit')
        if term.unit != self._custom.unit:
            raise WiringError(
                f'a {term.kind} is in {self._custom.unit}, the contract counts in {term.unit}'
            )

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the values; whatever the package raises is a fault of the input."""
        try:
            found = self._custom.read(dict(zip(self._ports, messages)), self._term, frames)
            values = np.asarray(found, np.float64)
        except MessageError as problem:
            raise type(problem)(f'{self._term.name}: {problem}') from problem
        except Exception as problem:  # the loop goes on, whatever foreign code does
            raise MessageError(
                f'{self._term.name}: {self._term.kind} raised {type(problem).__name__}: {problem}'
            ) from problem
        if values.shape != out.shape:
            raise MessageError(
                f'{self._term.name}: {self._term.kind} gave values of shape '
                f'{list(values.shape)}, expected [{out.size}]'
            )
        out[:] = values

"""Which value of which term each number of a tick's arrays is, and in which unit it counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pipeline.units import units_of_values
from ..policy.bundle import Statistics
from ..policy.contract import Contract, Term
from ..policy.contract_types import ArrayLayout, Normalisation
from ..session.tick import Arrays

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class NamedValues:
    """
    The numbers of one array.

    :param names: the values that are in it, such as ``joint_position/elbow``.
    :param units: the unit of each.
    :param places: for each number of the array which of these it is.
    :param factors: for each number how much of the unit one of it is.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    places: Places
    factors: Floats

    def same_as(self, other: NamedValues) -> bool:
        """Return whether the numbers of both mean the same."""
        return (
            (self.names, self.units) == (other.names, other.units)
            and np.array_equal(self.places, other.places)
            and np.array_equal(self.factors, other.factors)
        )

    def greatest(self, before: NDArray[Any], after: NDArray[Any]) -> Floats:
        """
        Return the greatest difference of each value between two of the arrays, in its unit.

        :param before: an array of as many numbers as there are ``places``.
        :param after: another one.
        """
        errors = np.zeros(len(self.names))
        with np.errstate(invalid='ignore'):
            apart = np.abs(after.ravel().astype(np.float64) - before.ravel().astype(np.float64))
            np.maximum.at(errors, self.places, apart * self.factors)
        return errors


class ContractValues:
    """
    The numbers of every array of a session's ticks.

    :param contract: the policy's.
    :param statistics: ``mean`` and ``var`` of its normalised inputs by name, where they are there.
        Without them the values of such an input have no unit.
    """

    def __init__(self, contract: Contract, statistics: Mapping[str, Statistics]) -> None:
        normalised = {one.input: one for one in contract.normalisation}
        self.observation = {
            name: _input(
                terms,
                contract.input_layouts[name],
                normalised.get(name),
                statistics.get(name),
            )
            for name, terms in contract.inputs.items()
        }
        steps = 1 if contract.chunk is None else contract.chunk.size
        self.raw_action = {name: _output(terms, steps) for name, terms in contract.outputs.items()}
        self.safe_action = {
            term.name: NamedValues(
                *_names_and_units([term]), np.arange(term.size), np.ones(term.size)
            )
            for term in contract.action_terms
        }

    def of(self, stage: str, arrays: Arrays) -> dict[str, NamedValues]:
        """
        Return what the arrays of a stage hold.

        :param stage: ``observation``, ``raw action``, ``state`` or ``safe action``.
        :param arrays: of that stage; those of a state are named by themselves.
        """
        if stage == 'state':
            return {
                name: NamedValues((name,), ('',), np.zeros(one.size, np.int64), np.ones(one.size))
                for name, one in arrays.items()
            }
        known = {
            'observation': self.observation,
            'raw action': self.raw_action,
            'safe action': self.safe_action,
        }[stage]
        return {name: known[name] for name in arrays if name in known}


def _input(
    terms: tuple[Term, ...],
    layout: ArrayLayout,
    normalisation: Normalisation | None,
    statistics: Statistics | None,
) -> NamedValues:
    """Return the values of an input: histories, whole frames and normalisation counted."""
    names, units = _names_and_units(terms)
    places: list[Places] = []
    factors: list[Floats] = []
    start = 0
    for term in terms:
        if term.shape:
            place, factor = np.full(term.size, start), np.ones(term.size)
            start += 1
        else:
            with np.errstate(divide='ignore'):
                place = np.arange(start, start + term.size)
                factor = 1.0 / np.abs(np.array(term.scale))
            factor[~np.isfinite(factor)] = 0.0  # what is scaled by nothing says nothing
            start += term.size
        places.append(np.tile(place, term.history))
        factors.append(np.tile(factor, term.history))
    all_places: Places = np.concatenate(places)
    all_factors: Floats = np.concatenate(factors)
    if layout.history > 1:
        all_places, all_factors = _stacked(all_places, layout), _stacked(all_factors, layout)
    if normalisation is not None:
        if statistics is None:
            units, all_factors = ('',) * len(units), np.ones_like(all_factors)
        else:
            all_factors = all_factors * np.sqrt(statistics[1] + normalisation.epsilon)
    return NamedValues(names, units, all_places, all_factors)


def _stacked(frame: NDArray[Any], layout: ArrayLayout) -> NDArray[Any]:
    """Return the numbers of one frame as they lie in an array of several."""
    copies = [frame.reshape(layout.frame)] * layout.history
    stacked = np.stack(copies) if layout.axis is None else np.concatenate(copies, layout.axis)
    flat: NDArray[Any] = stacked.ravel()
    return flat


def _output(terms: tuple[Term, ...], steps: int) -> NamedValues:
    """Return the values of an output: of a choice its number, of a chunk every step."""
    names: list[str] = []
    units: list[str] = []
    factors: list[float] = []
    for term in terms:
        if term.width != term.size or term.choices:
            names.append(term.name)
            units.append('choice')
            factors.append(1.0)
            continue
        own_names, own_units = _names_and_units((term,))
        names += own_names
        units += own_units
        factors += np.abs(np.array(term.scale)).tolist()
    places = np.tile(np.arange(len(names)), steps)
    return NamedValues(tuple(names), tuple(units), places, np.tile(np.array(factors), steps))


def _names_and_units(
    terms: tuple[Term, ...] | list[Term],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return ``term/value`` and the unit of each value; an image is one value without a unit."""
    names: list[str] = []
    units: list[str] = []
    for term in terms:
        if term.shape:
            names.append(term.name)
            units.append('')
            continue
        names += [f'{term.name}/{label}' for label in term.labels]
        units += units_of_values(term.unit, term.labels)
    return tuple(names), tuple(units)

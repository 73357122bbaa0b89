"""What the policy saw in training, value by value, from the statistics of its normalisation."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..policy.contract import ArrayLayout, Term
from .measured import adjusted
from .survey import Case

Vector = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class TermStatistics:
    """
    Mean and standard deviation of a term's values in training.

    :param term: the term.
    :param mean: of each value, as the policy has it (after offset, clip and scale).
    :param deviation: standard deviation of each value.
    """

    term: Term
    mean: Vector
    deviation: Vector

    def scores(self, values: Vector, clip: bool = True) -> Vector:
        """
        Return how many standard deviations values are from the mean.

        :param values: in the contract's unit; shape (…, size).
        :param clip: as the policy has them, after the clip of the term.
        """
        found: Vector = np.abs(adjusted(self.term, values, clip) - self.mean) / self.deviation
        return found

    def odd(self, values: Vector, beyond: float) -> bool:
        """Return whether a value, before the clip, is so many standard deviations off."""
        return bool((self.scores(values, clip=False) > beyond).any())

    @property
    def span(self) -> str:
        """Return mean ± two standard deviations over all values, in the contract's unit."""
        centre, deviation = self.measured
        low, high = centre - 2.0 * deviation, centre + 2.0 * deviation
        return f'{low.min():.3g} to {high.max():.3g}'

    @property
    def measured(self) -> tuple[Vector, Vector]:
        """Return mean and standard deviation in the contract's unit, before scale and offset."""
        scale = np.broadcast_to(np.array(self.term.scale), self.mean.shape)
        scale = np.where(scale == 0.0, 1.0, scale)
        return self.mean / scale + np.array(self.term.offset), np.abs(self.deviation / scale)


def training_statistics(case: Case) -> dict[str, TermStatistics]:
    """Return what is known of the values in training, by term."""
    found: dict[str, TermStatistics] = {}
    for settings in case.contract.normalisation:
        mean, var = case.bundle.statistics[settings.input]
        deviation = np.sqrt(var + settings.epsilon)
        members = case.contract.inputs[settings.input]
        layout = case.contract.input_layouts[settings.input]
        for name, columns in newest_columns(members, layout).items():
            term = next(one for one in members if one.name == name)
            found[name] = TermStatistics(term, mean[columns], deviation[columns])
    return found


def newest_columns(terms: Sequence[Term], layout: ArrayLayout) -> dict[str, NDArray[np.intp]]:
    """
    Return where the present values of each term lie in its input, by term.

    :param terms: the terms of the input, in order.
    :param layout: of the input; images and frames along other axes have no such columns.
    """
    if any(term.shape for term in terms) or layout.axis not in (None, 0):
        return {}
    frame = sum(term.size * term.history for term in terms)
    first = 0 if layout.newest_first else (layout.history - 1) * frame
    found: dict[str, NDArray[np.intp]] = {}
    for term in terms:
        newest = 0 if term.newest_first else (term.history - 1) * term.size
        found[term.name] = np.arange(first + newest, first + newest + term.size, dtype=np.intp)
        first += term.size * term.history
    return found

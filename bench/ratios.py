"""Blocks of a bench compared: each with the one beside it, as a ratio with its uncertainty."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

RESAMPLES = 4000
LEAST_ROUNDS = 3
"""Fewer blocks say nothing about how much they differ."""
RESOLVABLE = 0.2
"""How far from 1 the floor against itself may lie for a figure to be judged."""

Blocks = Sequence[Mapping[str, object]]
"""Each has ``workload``, ``condition``, ``peer``, ``round`` and ``figures``."""


@dataclasses.dataclass(frozen=True)
class Ratio:
    """The median of the ratios of neighbouring blocks, with its 95 % bootstrap interval."""

    middle: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        """Return it for people."""
        return f'{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})'

    def agrees(self, other: Ratio) -> bool:
        """Return whether two runs found the same: intervals overlap, or medians within 10 %."""
        if self.low <= other.high and other.low <= self.high:
            return True
        return abs(self.middle - other.middle) <= 0.1 * max(self.middle, other.middle)

    def judged(self, target: float) -> str:
        """Return whether it is at most the target, as far as the interval tells."""
        if self.rounds < LEAST_ROUNDS:
            return f'undecided: {self.rounds} round' + ('s' if self.rounds > 1 else '')
        if self.high <= target:
            return 'met'
        return 'missed' if self.low > target else 'undecided'


def of(block: Mapping[str, object], figure: str) -> float:
    """Return a figure of a block; several with ``+`` between them are added up."""
    figures = block['figures']
    assert isinstance(figures, Mapping)
    return sum(float(figures.get(one, np.nan)) for one in figure.split('+'))


def chosen(blocks: Blocks, workload: str, condition: str, peer: str) -> dict[int, object]:
    """Return the blocks of one case by their round."""
    return {
        int(str(one['round'])): one
        for one in blocks
        if (one['workload'], one['condition'], one['peer']) == (workload, condition, peer)
    }


def values(blocks: Blocks, workload: str, condition: str, peer: str, figure: str) -> np.ndarray:
    """Return a figure of every block of a case."""
    found = chosen(blocks, workload, condition, peer).values()
    return np.array([of(one, figure) for one in found])  # type: ignore[arg-type]


def ratio(
    blocks: Blocks, workload: str, condition: str, figures: Sequence[str], peers: Sequence[str]
) -> Ratio | None:
    """
    Return the ratio of a figure of one peer to that of another.

    :param blocks: all blocks.
    :param workload: its name.
    :param condition: its name.
    :param figures: above and below the line.
    :param peers: above and below the line.
    :returns: None where there is nothing to compare.
    """
    above, below = (chosen(blocks, workload, condition, one) for one in peers)
    pairs = np.array(
        [
            of(above[one], figures[0]) / of(below[one], figures[1])  # type: ignore[arg-type]
            for one in sorted(above.keys() & below.keys())
        ]
    )
    pairs = pairs[np.isfinite(pairs)]
    return bootstrap(pairs) if len(pairs) else None


def bootstrap(pairs: np.ndarray) -> Ratio:
    """Return the median of ratios, and between which bounds it lies when they are drawn anew."""
    random = np.random.default_rng(0)
    drawn = np.median(random.choice(pairs, (RESAMPLES, len(pairs))), axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Ratio(float(np.median(pairs)), float(low), float(high), len(pairs))


def resolvable(same: Ratio | None) -> bool:
    """Return whether the floor measured against itself is near enough to 1."""
    if same is None or same.rounds < LEAST_ROUNDS:
        return False
    return max(same.high - 1.0, 1.0 - same.low) <= RESOLVABLE

"""Figures over many episodes: success rate with its interval, returns, the task's own figures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from .evaluation import EpisodeResult


@dataclasses.dataclass(frozen=True)
class Spread:
    """Mean and two percentiles of a figure over the episodes."""

    mean: float
    p5: float
    p95: float


@dataclasses.dataclass(frozen=True)
class Scores:
    """
    What a set of episodes amounts to.

    :param episodes: how many.
    :param successes: how many ended as they should.
    :param interval: 95 % Wilson score interval of the success rate.
    :param total: the episodes' returns.
    :param detail: the task's own figures by name.
    :param failed: seeds of the episodes that did not succeed.
    :param ticks: ticks of all episodes together.
    :param faults: those in fallback or protective stop.
    :param first_fault: cause of the first of these; empty without one.
    :param simulated_s: simulated time of all episodes together.
    """

    episodes: int
    successes: int
    interval: tuple[float, float]
    total: Spread
    detail: dict[str, Spread]
    failed: tuple[int, ...]
    ticks: int
    faults: int
    first_fault: str
    simulated_s: float

    @property
    def success_rate(self) -> float:
        """Return the share of episodes that succeeded."""
        return self.successes / self.episodes


def score(results: Sequence[EpisodeResult]) -> Scores:
    """
    Return the figures of at least one episode.

    :param results: the episodes.
    """
    successes = sum(result.outcome.success for result in results)
    names = list(dict.fromkeys(name for result in results for name in result.outcome.detail))
    return Scores(
        episodes=len(results),
        successes=successes,
        interval=wilson_interval(successes, len(results)),
        total=_spread([result.total for result in results]),
        detail={
            name: _spread(
                [
                    result.outcome.detail[name]
                    for result in results
                    if name in result.outcome.detail
                ]
            )
            for name in names
        },
        failed=tuple(result.seed for result in results if not result.outcome.success),
        ticks=sum(result.ticks for result in results),
        faults=sum(result.faults for result in results),
        first_fault=next((result.first_fault for result in results if result.first_fault), ''),
        simulated_s=sum(result.simulated_ns for result in results) * 1e-9,
    )


def wilson_interval(
    successes: int, trials: int, z: float = 1.959963984540054
) -> tuple[float, float]:
    """
    Return the Wilson score interval of a proportion.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    :param successes: how many trials succeeded.
    :param trials: how many there were, at least 1.
    :param z: quantile of the normal distribution; the default is for 95 %.
    """
    share = successes / trials
    middle = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1.0 - share) / trials + z * z / (4.0 * trials * trials))
    scale = 1.0 + z * z / trials
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def _spread(values: Sequence[float]) -> Spread:
    p5, p95 = np.percentile(values, (5, 95)).tolist()
    return Spread(float(np.mean(values)), p5, p95)

"""
Playing out a chunk: several actions that the policy gave at once, one after the other.

Times are whole numbers of nanoseconds counted in ticks from the one that asked, so that a chunk
plays the same way live and in a replay.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ..policy.contract import Chunk

Vector = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Playing:
    """
    A chunk that is being played; the session keeps it from tick to tick.

    :param actions: raw actions of shape (chunk size, action size), as the artifact gave them.
    :param tick: how many ticks of it have been played.
    """

    actions: Vector
    tick: int


class ChunkPlayer:
    """
    What is commanded at each tick of a chunk.

    :param chunk: the contract's chunk.
    :param period_ns: the control period.
    """

    def __init__(self, chunk: Chunk, period_ns: int) -> None:
        self._chunk = chunk
        self._period_ns = period_ns
        self._ticks = chunk.execute * chunk.step_ns // period_ns

    def action(self, playing: Playing) -> Vector:
        """Return the raw action of the next tick; the last one holds where none follows."""
        actions = playing.actions
        step, rest_ns = divmod(playing.tick * self._period_ns, self._chunk.step_ns)
        here: Vector = actions[step]
        if not self._chunk.linear or rest_ns == 0 or step + 1 == len(actions):
            return here.copy()
        between: Vector = here + (actions[step + 1] - here) * (rest_ns / self._chunk.step_ns)
        return between

    def following(self, playing: Playing) -> Playing | None:
        """Return what is left after the next tick; None when the policy is to be asked again."""
        tick = playing.tick + 1
        return None if tick == self._ticks else dataclasses.replace(playing, tick=tick)

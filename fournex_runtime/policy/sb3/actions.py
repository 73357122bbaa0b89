"""From what the network gives to the action: what an importer writes into a contract."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtifactError
from .saved_policy import Sb3Policy
from .spaces import Box

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class ActionMapping:
    """
    ``clip(raw) * scale + offset``, the words of a contract; one entry a value, float64.

    :param low: least raw value that counts.
    :param high: greatest.
    :param scale: factor.
    :param offset: added in the end.
    """

    low: Floats
    high: Floats
    scale: Floats
    offset: Floats

    def apply(self, raw: NDArray[np.float32]) -> Floats:
        """Return the actions for raw outputs."""
        return np.clip(raw.astype(np.float64), self.low, self.high) * self.scale + self.offset


def action_bounds(policy: Sb3Policy) -> tuple[Floats, Floats]:
    """
    Return the least and the greatest action, flat; infinite where there is no bound.

    :raises ArtifactError: its actions are choices, not numbers.
    """
    space = policy.action_space
    if not isinstance(space, Box):
        raise ArtifactError(
            f'{policy.file}: data: action_space: expected a Box, which alone has bounds, found '
            f'{type(space).__name__}'
        )
    low, high = (bound.astype(np.float64).reshape(-1) for bound in (space.low, space.high))
    return low, high


def action_mapping(policy: Sb3Policy) -> ActionMapping:
    """
    Return how ``predict()`` makes actions of a Box out of what the network gives.

    Squashed actions lie in [-1, 1] and are spread over the range of the space
    (``BasePolicy.unscale_action``), others are clipped to it.

    :raises ArtifactError: its actions are choices, or spread over a range that has no bounds.
    """
    low, high = action_bounds(policy)
    ones = np.ones_like(low)
    if not policy.is_squashed:
        return ActionMapping(low, high, ones, np.zeros_like(low))
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ArtifactError(
            f'{policy.file}: data: action_space: expected finite bounds, over which '
            f'{policy.algorithm} spreads its actions, found {low.tolist()} to {high.tolist()}'
        )
    return ActionMapping(-ones, ones, (high - low) / 2.0, (high + low) / 2.0)

"""
How far it is to the goal around the obstacles: a field that training knows and the policy not.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fournex_runtime.sim.rover_room import AXIS, CELL_M, ROVER_RADIUS_M, Room, clearance

MARGIN_M = 0.1
"""Paths keep this far from walls and obstacles."""
_DIAGONAL_M = CELL_M * math.sqrt(2.0)
_BLOCKED_M = 20.0
"""What a cell that no path leads through counts as: more than any path is long."""
_CONTINUED_CELLS = 4
"""So far into walls and obstacles the field goes on, for the rover may come nearer than a path."""


class PathField:
    """
    The lengths of the shortest paths to a point, over a grid of the room.

    :param room: with its obstacles.
    :param goal: x and y of the point (m).
    """

    def __init__(self, room: Room, goal: tuple[float, float]) -> None:
        free = clearance(room.obstacles) > ROVER_RADIUS_M + MARGIN_M
        self._lengths = _relax(free, _cell(*goal))

    def length(self, x: float, y: float) -> float:
        """Return the length of the shortest path from a point (m), between cells by weight."""
        last = len(AXIS) - 1
        row = min(max((x - AXIS[0]) / CELL_M, 0.0), last - 1e-9)
        column = min(max((y - AXIS[0]) / CELL_M, 0.0), last - 1e-9)
        i, j = int(row), int(column)
        u, v = row - i, column - j
        field = self._lengths
        return float(
            (1.0 - u) * ((1.0 - v) * field[i, j] + v * field[i, j + 1])
            + u * ((1.0 - v) * field[i + 1, j] + v * field[i + 1, j + 1])
        )


def _cell(x: float, y: float) -> tuple[int, int]:
    return round((x - AXIS[0]) / CELL_M), round((y - AXIS[0]) / CELL_M)


def _neighbours(around: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return for each cell the least length by way of one of the eight cells around it.

    :param around: the lengths, with a rim of one cell more on every side.
    """
    vertical = np.minimum(around[:-2], around[2:])
    straight = np.minimum(vertical[:, 1:-1], around[1:-1, :-2])
    np.minimum(straight, around[1:-1, 2:], out=straight)
    diagonal = np.minimum(vertical[:, :-2], vertical[:, 2:])
    straight += CELL_M
    diagonal += _DIAGONAL_M
    return np.minimum(straight, diagonal, out=straight)


def _relax(free: NDArray[np.bool_], goal: tuple[int, int]) -> NDArray[np.float64]:
    """Return the lengths over the free cells; the cells beside them continue their neighbours'."""
    around = np.full((len(free) + 2, len(free) + 2), _BLOCKED_M)
    lengths = around[1:-1, 1:-1]
    lengths[goal] = 0.0
    rounds = 0
    while True:
        shorter = np.minimum(lengths, _neighbours(around))
        shorter[~free] = _BLOCKED_M
        rounds += 1
        if rounds % 8 == 0 and np.array_equal(shorter, lengths):
            break
        lengths[:] = shorter
    for _ in range(_CONTINUED_CELLS):
        lengths[:] = np.where(lengths < _BLOCKED_M, lengths, _neighbours(around))
    return lengths

"""
The rooms that the rover drives in: obstacles, a start pose and goals, drawn from a seed.

A room is drawn until its goals can be reached: every goal lies in the part of the room that a
disc of the rover's size can drive to from the start with ``PATH_MARGIN_M`` to spare on each
side, found by flooding a coarse grid.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

HALF_SIDE_M = 3.0
"""The inner faces of the walls are at plus and minus this in x and y."""
ROVER_RADIUS_M = 0.2
PATH_MARGIN_M = 0.15
START_MARGIN_M = 0.2
OBSTACLE_GAP_M = 0.1
FEWEST_OBSTACLES = 6
MOST_OBSTACLES = 10
CELL_M = 0.1
_PLACE_TRIES = 1000
_GOAL_TRIES = 200

Array = NDArray[np.float64]

AXIS: Array = np.round(np.arange(-HALF_SIDE_M + CELL_M, HALF_SIDE_M - CELL_M / 2, CELL_M), 6)
"""The coordinates, in x and in y, of the cells of the grid (m)."""
_GRID_X, _GRID_Y = np.meshgrid(AXIS, AXIS, indexing='ij')


@dataclasses.dataclass(frozen=True)
class Shape:
    """
    The footprint of an obstacle.

    :param kind: ``box`` or ``cylinder``.
    :param half_x: half the length of a box along its x axis, or the radius of a cylinder (m).
    :param half_y: half the length of a box along its y axis, or the radius of a cylinder (m).
    """

    kind: str
    half_x: float
    half_y: float

    @property
    def reach(self) -> float:
        """Return the radius of the circle around it (m)."""
        return self.half_x if self.kind == 'cylinder' else math.hypot(self.half_x, self.half_y)


@dataclasses.dataclass(frozen=True)
class Obstacle:
    """
    A shape at a place.

    :param index: which of the shapes that the room was drawn from.
    :param shape: the footprint.
    :param x: of its centre (m).
    :param y: of its centre (m).
    :param yaw: of its x axis (rad).
    """

    index: int
    shape: Shape
    x: float
    y: float
    yaw: float

    def distance(self, x: Array, y: Array) -> Array:
        """Return the distances of points from its side (m), negative inside it."""
        dx, dy = x - self.x, y - self.y
        if self.shape.kind == 'cylinder':
            return np.asarray(np.hypot(dx, dy) - self.shape.half_x)
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        out_x = np.abs(cos * dx + sin * dy) - self.shape.half_x
        out_y = np.abs(cos * dy - sin * dx) - self.shape.half_y
        outside = np.hypot(np.maximum(out_x, 0.0), np.maximum(out_y, 0.0))
        return np.asarray(outside + np.minimum(np.maximum(out_x, out_y), 0.0))


@dataclasses.dataclass(frozen=True)
class Room:
    """
    One room with its task.

    :param obstacles: what stands in it.
    :param start: x (m), y (m) and yaw (rad) of the rover at the start.
    :param goals: x and y (m) of the goals in order.
    """

    obstacles: tuple[Obstacle, ...]
    start: tuple[float, float, float]
    goals: tuple[tuple[float, float], ...]


def draw_room(
    shapes: Sequence[Shape], seed: int, goals: int, goal_distance_m: tuple[float, float]
) -> Room:
    """
    Return a room whose goals can all be reached, drawn from the seed alone.

    :param shapes: what obstacles may look like; each is used at most once.
    :param seed: at least 0.
    :param goals: how many, at least 1.
    :param goal_distance_m: least and greatest distance, in a straight line, of a goal from the
        start or from the goal before it.
    """
    random = np.random.default_rng(seed)
    while True:
        obstacles = _place(shapes, random)
        room = _task(obstacles, random, goals, goal_distance_m)
        if room is not None:
            return room


def wall_distance(x: Array, y: Array) -> Array:
    """Return the distances of points from the nearest wall (m), negative outside the room."""
    return np.asarray(HALF_SIDE_M - np.maximum(np.abs(x), np.abs(y)))


def clearance(obstacles: Sequence[Obstacle]) -> Array:
    """Return the distance of each point of the grid from the nearest obstacle or wall (m)."""
    nearest = wall_distance(_GRID_X, _GRID_Y)
    for obstacle in obstacles:
        np.minimum(nearest, obstacle.distance(_GRID_X, _GRID_Y), out=nearest)
    return nearest


def _place(shapes: Sequence[Shape], random: np.random.Generator) -> tuple[Obstacle, ...]:
    """Return obstacles that keep apart; a shape that finds no room stays out."""
    wanted = int(random.integers(FEWEST_OBSTACLES, MOST_OBSTACLES + 1))
    placed: list[Obstacle] = []
    for index in random.permutation(len(shapes))[:wanted].tolist():
        shape = shapes[index]
        for _ in range(_PLACE_TRIES):
            x, y = random.uniform(-HALF_SIDE_M + 0.3, HALF_SIDE_M - 0.3, size=2).tolist()
            if all(
                math.hypot(x - other.x, y - other.y)
                > shape.reach + other.shape.reach + OBSTACLE_GAP_M
                for other in placed
            ):
                yaw = float(random.uniform(-math.pi, math.pi))
                placed.append(Obstacle(index, shape, x, y, yaw))
                break
    return tuple(placed)


def _flood(free: NDArray[np.bool_], start: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the free cells that side-to-side steps over free cells lead to from the start."""
    reached = np.zeros_like(free)
    reached[start] = True
    count = 1
    while True:
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        grown &= free
        reached, before, count = grown, count, int(np.count_nonzero(grown))
        if count == before:
            return reached


def _task(
    obstacles: tuple[Obstacle, ...],
    random: np.random.Generator,
    goals: int,
    goal_distance_m: tuple[float, float],
) -> Room | None:
    """Return the room with a start and goals, or None where it has no place for them."""
    space = clearance(obstacles)
    starts = np.argwhere(space > ROVER_RADIUS_M + START_MARGIN_M)
    if len(starts) == 0:
        return None
    start = tuple(starts[int(random.integers(len(starts)))].tolist())
    reached = _flood(space > ROVER_RADIUS_M + PATH_MARGIN_M, (start[0], start[1]))
    places = np.argwhere(reached)
    x, y = float(AXIS[start[0]]), float(AXIS[start[1]])
    yaw = float(random.uniform(-math.pi, math.pi))
    found: list[tuple[float, float]] = []
    near, far = goal_distance_m
    last = (x, y)
    for _ in range(_GOAL_TRIES):
        cell = places[int(random.integers(len(places)))]
        goal = (float(AXIS[cell[0]]), float(AXIS[cell[1]]))
        if near <= math.hypot(goal[0] - last[0], goal[1] - last[1]) <= far:
            found.append(goal)
            last = goal
            if len(found) == goals:
                return Room(obstacles, (x, y, yaw), tuple(found))
    return None

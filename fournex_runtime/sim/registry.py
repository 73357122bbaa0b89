"""The simulated robots by name; modules, and MuJoCo with them, are imported when asked for."""

from __future__ import annotations

import dataclasses
import importlib

from ..configuration import nearest
from ..errors import ConfigurationError, MissingDependencyError
from .robot import Robot


@dataclasses.dataclass(frozen=True)
class Entry:
    """
    Where a robot is, and how it is told the length of its task.

    :param module: of this package.
    :param kind: name of the class.
    :param goals: its constructor argument for how many goals make an episode; empty if it has no
        goals.
    """

    module: str
    kind: str
    goals: str = ''


ROBOTS = {
    'arm': Entry('arm', 'ArmRobot', 'targets_per_episode'),
    'pendulum': Entry('pendulum', 'PendulumRobot'),
    'rover': Entry('rover', 'RoverRobot', 'goals_per_episode'),
}


def has_goals(name: str) -> bool:
    """Return whether the episodes of a robot consist of goals."""
    return bool(_entry(name).goals)


def robot_class(name: str) -> type[Robot]:
    """
    Return the class of a robot.

    :raises ConfigurationError: there is no robot of that name.
    :raises MissingDependencyError: MuJoCo is not installed.
    """
    entry = _entry(name)
    try:
        module = importlib.import_module(f'.{entry.module}', __package__)
    except ModuleNotFoundError as problem:
        if problem.name != 'mujoco':
            raise
        raise MissingDependencyError(
            'mujoco', f'the simulated robot {name}', 'pip install mujoco'
        ) from problem
    kind: type[Robot] = getattr(module, entry.kind)
    return kind


def make_robot(name: str, goals: int = 0) -> Robot:
    """
    Return a new robot.

    :param goals: how many goals make an episode; 0 for as many as the robot has by itself. A
        robot without goals takes no notice of it.
    :raises ConfigurationError: there is no robot of that name, or goals is negative.
    """
    argument = _entry(name).goals
    if goals < 0:
        raise ConfigurationError(f'goals: expected 0 or more, found {goals}')
    kind = robot_class(name)
    return kind(**{argument: goals}) if argument and goals else kind()


def _entry(name: str) -> Entry:
    if name not in ROBOTS:
        said = f'there is no simulated robot {name!r}.' if name else 'which one?'
        raise ConfigurationError(f'robot: {said}{nearest(name, list(ROBOTS))}')
    return ROBOTS[name]

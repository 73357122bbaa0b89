"""What a simulator is told: the parameters of its node, with their ranges, and their checks."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from ..errors import ConfigurationError

REAL_TIME = 'real_time'
LOCKSTEP = 'lockstep'


@dataclasses.dataclass(frozen=True)
class Setting:
    """
    One parameter.

    :param default: its value when it is not given; fixes its type.
    :param description: what it does, with its unit.
    :param least: smallest value of a number.
    :param most: greatest value of a number.
    """

    name: str
    default: Any
    description: str
    least: float = 0
    most: float = 0


SETTINGS = (
    Setting('robot', '', 'which robot: rover, arm or pendulum'),
    Setting('seed', 0, 'seed of the first episode', 0, 2**63 - 1),
    Setting('goals', 0, 'goals of an episode; 0: as many as the robot has by itself', 0, 1000),
    Setting(
        'pacing',
        REAL_TIME,
        'real_time: physics follow the wall clock; lockstep: one control period for each command',
    ),
    Setting(
        'clock',
        False,
        'publish /clock and stamp messages by simulated time, as lockstep always does; false: '
        'stamp them by the system clock, as a real robot does',
    ),
    Setting('speed', 1.0, 'simulated seconds in a second; needs clock', 0.01, 100.0),
    Setting(
        'hold_start',
        True,
        'real time: an episode begins to move with its first command, as if a hand held the robot '
        'until then; lockstep does nothing else',
    ),
    Setting('frame_prefix', '', 'put before every frame id, for instance r1/'),
    Setting(
        'lockstep_timeout',
        10.0,
        'lockstep ends with an error when a command is missing for so long, seconds; 0: never',
        0.0,
        86400.0,
    ),
    Setting('exit_with_parent', False, 'end when the process that started this one is gone'),
    Setting('render', '', 'empty or new folder for frames (PNG) or a film (MP4); empty: neither'),
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """
    The values of all ``SETTINGS``, checked.

    :raises ConfigurationError: values that do not go together.
    """

    robot: str
    seed: int
    goals: int
    pacing: str
    clock: bool
    speed: float
    hold_start: bool
    frame_prefix: str
    lockstep_timeout: float
    exit_with_parent: bool
    render: str

    def __post_init__(self) -> None:
        if self.pacing not in (REAL_TIME, LOCKSTEP):
            raise ConfigurationError(
                f'pacing: expected {REAL_TIME} or {LOCKSTEP}, found {self.pacing!r}'
            )
        if self.speed != 1.0 and self.lockstep:
            raise ConfigurationError(
                'speed: lockstep goes as fast as its commands come; leave speed out'
            )
        if self.speed != 1.0 and not self.clock:
            raise ConfigurationError(
                f'speed: {self.speed:g} times real time needs clock:=true, and use_sim_time:=true '
                'in the nodes that drive the robot'
            )
        if self.frame_prefix.startswith('/'):
            raise ConfigurationError(
                f'frame_prefix: frame ids do not begin with a slash, found {self.frame_prefix!r}'
            )

    @property
    def lockstep(self) -> bool:
        """Return whether the physics wait for commands."""
        return self.pacing == LOCKSTEP

    @property
    def simulated_time(self) -> bool:
        """Return whether there is a ``/clock``, and messages are stamped by it."""
        return self.clock or self.lockstep

    @property
    def render_folder(self) -> pathlib.Path | None:
        """Return where pictures go, or None for no pictures."""
        return pathlib.Path(self.render).expanduser() if self.render else None

"""What an examination found, and the names of everything that it looks at."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable

from ..configuration import nearest
from ..errors import ConfigurationError


class Level(enum.Enum):
    """How a check ended."""

    PASS = 'pass'
    WARNING = 'warning'
    FAILURE = 'failure'
    NOT_CHECKED = 'not checked'


@dataclasses.dataclass(frozen=True)
class Finding:
    """
    One result of one check.

    :param check: name of the check, one of ``CHECKS``.
    :param level: how it ended.
    :param subject: what it is about, as the wiring has it: ``inputs.joint_position``.
    :param found: what was found, and what was expected; why, where nothing could be checked.
    :param mend: what to do about it; empty where there is nothing to do.
    """

    check: str
    level: Level
    subject: str
    found: str
    mend: str = ''

    @property
    def text(self) -> str:
        """Return the finding in one line, as a log or an error has it."""
        end = '' if self.found.endswith('?') else '.'
        mend = f'{end} {self.mend}' if self.mend else ''
        return f'{self.subject}: {self.found}{mend} [{self.check}]'


def passed(check: str, subject: str, found: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(check, Level.PASS, subject, found)


def warning(check: str, subject: str, found: str, mend: str = '') -> Finding:
    """Return a finding that a person should look at."""
    return Finding(check, Level.WARNING, subject, found, mend)


def failure(check: str, subject: str, found: str, mend: str) -> Finding:
    """Return a finding with which the robot must not move."""
    return Finding(check, Level.FAILURE, subject, found, mend)


def not_checked(check: str, subject: str, why: str) -> Finding:
    """Return that something could not be judged, and why; it is no pass."""
    return Finding(check, Level.NOT_CHECKED, subject, why)


class When(enum.Enum):
    """When a check is made."""

    DOCTOR = 'doctor'
    """By ``fournex doctor`` only: it takes many messages."""
    ACTIVATION = 'activation'
    """When a session is activated, too, which its failure refuses."""
    OVERRIDE = 'override'
    """When a session is activated, too, and a person may let it begin in spite of a failure."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that is looked at: what must be so, and when it is looked at."""

    what: str
    when: When = When.DOCTOR


CHECKS = {
    'topic': Check('somebody publishes what is read', When.ACTIVATION),
    'type': Check('message types are those of the wiring', When.ACTIVATION),
    'qos': Check('publisher and subscriber can connect', When.ACTIVATION),
    'publishers': Check('an input has one publisher', When.ACTIVATION),
    'message': Check('messages come', When.ACTIVATION),
    'rate': Check('messages come often enough'),
    'clock': Check('messages are stamped by the clock that the runtime follows', When.ACTIVATION),
    'stamp': Check('stamps are about as old as the messages', When.ACTIVATION),
    'stamp_order': Check('stamps go forward as time does'),
    'lockstep': Check('synchronised inputs carry one stamp'),
    'joint_names': Check('the joints are there by name', When.ACTIVATION),
    'joint_order': Check("an array without names has the wiring's order"),
    'shape': Check('a message has what its term needs', When.ACTIVATION),
    'frame': Check('values are in the frame of the contract', When.ACTIVATION),
    'quaternion': Check('an orientation is a rotation', When.ACTIVATION),
    'gravity': Check('orientation and accelerometer of an IMU agree where up is', When.OVERRIDE),
    'finite': Check('values are finite', When.ACTIVATION),
    'units': Check("joint values are in the contract's unit", When.OVERRIDE),
    'velocity': Check('velocities are the rate at which positions change'),
    'range': Check('values are such as the policy saw', When.OVERRIDE),
    'clip': Check('values are within the clip of their term'),
    'unchanged': Check('a sensor is alive'),
    'start_pose': Check('the robot is where the policy begins', When.OVERRIDE),
    'commander': Check('nobody else commands', When.ACTIVATION),
    'listener': Check('somebody listens to the commands', When.ACTIVATION),
    'command_timeout': Check('the robot stops when commands end'),
    'loop_back': Check('no input is a command topic of the session', When.OVERRIDE),
    'controller': Check('the controller is active, of the right kind', When.OVERRIDE),
    'controller_joints': Check("an array has the order of the controller's joints", When.OVERRIDE),
    'limits': Check("the wiring's limits are within the robot's", When.OVERRIDE),
    'inference': Check('the policy answers in time', When.OVERRIDE),
    'tick': Check('a whole tick is done in time'),
    'load': Check('one loop has the time for all sessions', When.ACTIVATION),
}
"""Every check by name, in the order in which they are made."""


def check_overrides(names: Iterable[str]) -> frozenset[str]:
    """
    Return the names of checks whose failure is not to refuse an activation.

    :raises ConfigurationError: one is no check, or is one without which no tick can be made.
    """
    allowed = [name for name, check in CHECKS.items() if check.when is When.OVERRIDE]
    for name in names:
        if name not in CHECKS:
            raise ConfigurationError(f'override: {name!r} is no check.{nearest(name, allowed)}')
        if name not in allowed:
            raise ConfigurationError(
                f'override: {name} cannot be overridden; these can: {", ".join(allowed)}'
            )
    return frozenset(names)

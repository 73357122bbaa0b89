"""What an examination found, and the names of everything that it looks at."""

from __future__ import annotations

import dataclasses
import enum


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
        mend = f'. {self.mend}' if self.mend else ''
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


@dataclasses.dataclass(frozen=True)
class Check:
    """
    One thing that is looked at.

    :param what: what must be so.
    :param activation: it is looked at when a session is activated, too.
    :param override: a person may let a session begin in spite of its failure; without what the
        others ask for no tick can be made, or the robot has two masters.
    """

    what: str
    activation: bool = False
    override: bool = True


CHECKS = {
    'topic': Check('somebody publishes what is read', activation=True, override=False),
    'type': Check('message types are those of the wiring', activation=True, override=False),
    'qos': Check('publisher and subscriber can connect', activation=True, override=False),
    'publishers': Check('an input has one publisher', activation=True),
    'message': Check('messages come', activation=True, override=False),
    'rate': Check('messages come often enough for the period and the budget'),
    'clock': Check('messages are stamped by the clock that the runtime follows', activation=True),
    'stamp': Check('stamps are about as old as the messages', activation=True),
    'stamp_order': Check('stamps go forward as time does'),
    'lockstep': Check('synchronised inputs carry one stamp'),
    'joint_names': Check('the joints are there by name', activation=True, override=False),
    'joint_order': Check('an array without names has the order that the wiring says'),
    'shape': Check('a message has what its term needs', activation=True, override=False),
    'frame': Check('values are in the frame of the contract', activation=True, override=False),
    'quaternion': Check('an orientation is a rotation', activation=True, override=False),
    'gravity': Check('orientation and accelerometer agree where down is', activation=True),
    'finite': Check('values are finite', activation=True, override=False),
    'units': Check('joint values are in the unit of the contract', activation=True),
    'velocity': Check('velocities are the rate at which positions change'),
    'range': Check('values are such as the policy saw in training', activation=True),
    'clip': Check('values are within the clip of their term'),
    'unchanged': Check('a sensor is alive'),
    'start_pose': Check('the robot is where the policy begins', activation=True),
    'commander': Check('nobody else commands', activation=True, override=False),
    'listener': Check('somebody listens to the commands', activation=True),
    'loop_back': Check('no input is a command topic of the session', activation=True),
    'controller': Check('the controller is active and takes what the policy gives'),
    'controller_joints': Check("the array has the order of the controller's joints"),
    'limits': Check("the wiring's limits are within those of the robot", activation=True),
    'inference': Check('the policy answers within its period on this machine'),
}
"""Every check by name, in the order in which they are made."""

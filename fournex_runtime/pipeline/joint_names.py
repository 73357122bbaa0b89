"""What a robot calls the joints of a contract, where it calls them otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class JointNames:
    """
    The robot's names of the contract's joints.

    :param robot: the robot's name by the contract's; joints that are not in it have one name.
    """

    robot: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def of(self, joints: Sequence[str]) -> tuple[str, ...]:
        """Return the robot's names of some of the contract's joints."""
        return tuple(self.robot.get(joint, joint) for joint in joints)

    def both(self, joint: str) -> str:
        """Return the robot's name of a contract's joint, and the contract's where it differs."""
        name = self.robot.get(joint, joint)
        return f'{name!r}' if name == joint else f"{name!r} (the contract's {joint!r})"

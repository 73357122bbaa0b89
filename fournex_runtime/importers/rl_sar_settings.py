"""
The two files of an rl_sar policy, read together: the keys of ``config.yaml`` before ``base.yaml``.

``joint_names`` and ``joint_controller_names`` are in the order of the robot's motors;
``joint_mapping[i]`` is the motor of the policy's joint ``i``, and every list of numbers is in the
order of the policy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ..errors import ArtifactError
from .draft import Draft
from .foreign import Foreign
from .questions import by_joint, names
from .recognise import Match
from .source_file import SourceFile


def is_policy(file: SourceFile) -> bool:
    """Return whether a file is the ``config.yaml`` of a policy."""
    settings = _only(file)
    return settings is not None and all(key in settings for key in POLICY_KEYS)


def _is_base(file: SourceFile) -> bool:
    settings = _only(file)
    return settings is not None and 'joint_names' in settings and 'observations' not in settings


POLICY_KEYS = ('model_name', 'observations', 'clip_obs')
"""By these keys a policy is known."""


def _only(file: SourceFile) -> Foreign | None:
    """Return the value of the only key of a YAML file; None where it is not like that."""
    found = file.yaml
    if found is None or len(found.keys()) != 1:
        return None
    return found[found.keys()[0]]


@dataclasses.dataclass(frozen=True)
class Settings:
    """The keys of the policy, and behind them those of its robot."""

    policy: Foreign
    robot: Foreign | None

    def find(self, key: str) -> Foreign | None:
        """Return the value of a key; None where neither has it."""
        found = self.policy.get(key)
        return found if found is not None or self.robot is None else self.robot.get(key)

    def __getitem__(self, key: str) -> Foreign:
        found = self.find(key)
        if found is None:
            robot = f', and so has {self.robot.where}' if self.robot is not None else ''
            raise ArtifactError(f'{self.policy.where}: has no {key}{robot}')
        return found


def read_settings(match: Match, draft: Draft) -> Settings:
    """
    Read the files of a policy and of its robot.

    :raises ArtifactError: they are of different robots.
    """
    policy = match.file.yaml
    assert policy is not None
    (name,) = policy.keys()
    base = match.companion(draft, 'base.yaml', _is_base, ('.', '..', '../..'))
    if base is None or base.yaml is None:
        return Settings(policy[name], None)
    (robot,) = base.yaml.keys()
    if robot != name.split('/')[0]:
        raise ArtifactError(
            f'{base.path}: expected the robot of {match.file.path}, {name.split("/")[0]}, found '
            f'{robot}'
        )
    return Settings(policy[name], base.yaml[robot])


@dataclasses.dataclass(frozen=True)
class Robot:
    """
    The joints of a policy.

    :param joints: in its order.
    :param wheels: which of them are wheels, by index.
    """

    joints: list[str]
    wheels: frozenset[int]


def read_robot(draft: Draft, settings: Settings) -> Robot:
    """
    Return the joints, and put poses and gains into the draft.

    :raises ArtifactError: lists are not as long as there are joints, or name motors twice.
    """
    count = settings['num_of_dofs'].whole(1)
    mapping = settings['joint_mapping']
    joints = draft.known(
        'joints',
        _mapped(settings['joint_names'], mapping, count),
        f'{settings["joint_names"].where}, in the order of {mapping.where}',
        names(count),
    )
    wheels = settings['wheel_indices']
    indices = wheels.wholes()
    if any(index >= count for index in indices):
        raise wheels.problem(f'indices below {count}', f'{list(indices)}')
    default = settings['default_dof_pos']
    pose = draft.known(
        'default_pose',
        dict(zip(joints, default.numbers(count))),
        default.where,
        by_joint(joints, 'rad'),
    )
    draft.tree['default_pose'] = dict(pose)
    _start_pose(draft, settings)
    _gains(draft, settings, joints)
    return Robot(list(joints), frozenset(indices))


def _mapped(motor_names: Foreign, mapping: Foreign, count: int | None) -> list[str]:
    """Return the names of the motors in the order of the policy."""
    known, motors = motor_names.texts(), mapping.wholes(count)
    if len(set(motors)) != len(motors) or max(motors, default=0) >= len(known):
        expected = f'{len(motors)} different motors below {len(known)}'
        raise mapping.problem(expected, f'{list(motors)}')
    return [known[motor] for motor in motors]


def _start_pose(draft: Draft, settings: Settings) -> None:
    """Read where rl_sar has the robot before the policy begins: the pose of ``base.yaml``."""
    robot = settings.robot
    if robot is None or robot.get('default_dof_pos') is None or robot.get('joint_mapping') is None:
        return
    joints = _mapped(robot['joint_names'], robot['joint_mapping'], None)
    pose = robot['default_dof_pos'].numbers(len(joints))
    draft.tree['start_pose'] = draft.known(
        'start_pose',
        dict(zip(joints, pose)),
        f'{robot["default_dof_pos"].where}: where the robot stands up to',
        by_joint(joints, 'rad'),
    )


def _gains(draft: Draft, settings: Settings, joints: Sequence[str]) -> None:
    stiffness, damping = settings['rl_kp'], settings['rl_kd']
    count = len(joints)
    draft.tree['gains'] = draft.known(
        'gains',
        {
            'stiffness': dict(zip(joints, stiffness.numbers(count))),
            'damping': dict(zip(joints, damping.numbers(count))),
        },
        f'{stiffness.where}, {damping.where}',
    )

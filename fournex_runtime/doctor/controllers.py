"""The controller behind a command topic: active, of the right kind, with the wiring's order."""

from __future__ import annotations

from ..pipeline.ports import Target
from .finding import Finding, failure, not_checked, passed, warning
from .survey import Case, Controller, Survey

_INTERFACES = {
    'joint_position_target': 'position',
    'joint_velocity_target': 'velocity',
    'joint_effort_target': 'effort',
}
_TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'


def check_controllers(case: Case, survey: Survey) -> list[Finding]:
    """Judge who listens to the commands by the parameters that they have."""
    found: list[Finding] = []
    commands = {term.name: term.command for term in case.contract.action_terms}
    for target in case.wiring.targets:
        command = commands[target.term]
        if command not in _INTERFACES:
            continue
        about = f'outputs.{target.term}'
        known = [one for one in survey.controllers.get(target.topic, ()) if one.joints]
        if not known:
            why = f'no subscriber of {survey.topics[target.topic].name} has a parameter joints'
            found.append(not_checked('controller_joints', about, why))
        joints = next(
            term.joints for term in case.contract.action_terms if term.name == target.term
        )
        for one in known:
            found.append(_joints(about, target, joints, one))
            found.append(_kind(about, command, one, survey))
    return found


def _joints(about: str, target: Target, joints: tuple[str, ...], one: Controller) -> Finding:
    theirs, mine = one.joints, target.joints or target.names.of(joints)
    if target.joints and theirs == target.joints:
        return passed('controller_joints', about, f'the order of {one.node}')
    words = f'{one.node} has joints {", ".join(theirs)}; wired are {", ".join(mine)}'
    if set(theirs) != set(mine):
        unknown = [joint for joint in mine if joint not in theirs]
        missing = [joint for joint in theirs if joint not in mine]
        lack = (
            f'it lacks {", ".join(unknown)}' if unknown else f'{", ".join(missing)} would be left'
        )
        mend = "Configure the controller with the policy's joints, or wire another controller"
        if target.type == _TRAJECTORY and not unknown:
            mend = 'Set allow_partial_joints_goal of the controller, or wire another one'
            return warning('controller_joints', about, f'{words}: {lack}', mend)
        return failure('controller_joints', about, f'{words}: {lack}', mend)
    if target.joints:
        return failure('controller_joints', about, words, f'Write joints: [{", ".join(theirs)}]')
    return passed('controller_joints', about, f'those of {one.node}, by name')


def _kind(about: str, command: str, one: Controller, survey: Survey) -> Finding:
    wanted = _INTERFACES[command]
    if one.interfaces and wanted not in one.interfaces:
        return failure(
            'controller',
            about,
            f'{one.node} commands {", ".join(one.interfaces)}, the policy gives a {command}',
            f'Wire a controller with the command interface {wanted}',
        )
    if not one.state:
        why = survey.controllers_problem or f'no controller_manager knows {one.node}'
        return not_checked('controller', about, why)
    if one.state != 'active':
        name = one.node.rsplit('/', 1)[-1]
        return failure(
            'controller',
            about,
            f'{one.node} is {one.state}: it takes no commands',
            f'ros2 control set_controller_state {name} active',
        )
    return passed('controller', about, f'{one.node} is active')

"""Reads what a robot calls the joints of a contract: the ``joint_names:`` of a wiring."""

from __future__ import annotations

from ..configuration import Section, nearest
from ..pipeline.joint_names import JointNames
from ..policy.contract import Contract


def read_joint_names(section: Section | None, contract: Contract) -> JointNames:
    """
    Read ``joint_names:``.

    :param section: the mapping of the contract's names to the robot's; None where it is left out.
    :param contract: the contract of the session's policy.
    :raises WiringError: the contract has no such joint, or two joints would have one name.
    """
    if section is None:
        return JointNames()
    terms = (*contract.observation_terms, *contract.action_terms)
    joints = list(dict.fromkeys(joint for term in terms for joint in term.joints))
    given = {}
    for joint in section.keys():
        if joint not in joints:
            raise section.problem(
                joint,
                f'the contract {contract.reference} has no such joint.' + nearest(joint, joints),
            )
        given[joint] = section.text(joint, expected="the robot's name of the joint")
    names = JointNames(given)
    first: dict[str, str] = {}
    for joint, name in zip(joints, names.of(joints)):
        other = first.setdefault(name, joint)
        if other != joint:
            key = joint if joint in given else other
            raise section.problem(key, f'{other} and {joint} would both be {name!r}')
    return names

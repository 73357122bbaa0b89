"""
Answers that are lists of terms, read as a contract would read them and compared with the array.

Each is put into a contract that has this array and as little else as it can, and that is parsed,
so that terms mean in an answer what they mean in ``policy.yaml``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from ..errors import ContractError
from ..policy.backend import ArraySpec
from ..policy.contract import Contract, Term, parse_contract

_EXPECTED = 'expected a list of terms such as [{term: joint_position, joints: [a]}]'
_HASH = '0' * 64
_ARRAY_KEYS = ('terms', 'shape', 'history', 'history_layout', 'order')

Check = Callable[[Sequence[Mapping[str, Any]], Sequence[Term]], None]
"""Refuses terms of an output, given as the user wrote them and as they were read."""


def accept(written: Sequence[Mapping[str, Any]], terms: Sequence[Term]) -> None:
    """Find nothing wrong."""


def observation_terms(terms: Sequence[Mapping[str, Any]], action_width: int) -> list[Term]:
    """
    Return observation terms with their numbers.

    :raises ValueError: they are not terms.
    """
    array = {'terms': list(terms)}
    action = {'action': [{'term': 'value', 'size': action_width}]}
    return list(_stub({'obs': array}, action, array).inputs['obs'])


def input_array(
    value: Any, spec: ArraySpec, action_width: int, joints: Sequence[str] = ()
) -> dict[str, Any]:
    """
    Read the terms of an input: a list, or a mapping with ``terms`` and history.

    :param value: plain data.
    :param spec: the input.
    :param action_width: how many values ``last_action`` has.
    :param joints: what ``joints: same`` means before a term lists some.
    :raises ValueError: they are not terms, or do not fill the input.
    """
    array = _as_array(value, spec, joints)
    action = {'action': [{'term': 'value', 'size': action_width}]}
    _stub({spec.name: array}, action, array)
    return array


def free_array(value: Any, observed: bool) -> dict[str, Any]:
    """
    Read the terms of an input or output whose size the artifact does not say.

    :param value: a list of terms, or a mapping with ``terms`` and all that a contract has there.
    :param observed: it is an input.
    :raises ValueError: they are not terms.
    """
    array = {'terms': value} if isinstance(value, list) else value
    if not isinstance(array, dict) or not isinstance(array.get('terms'), list):
        raise ValueError(_EXPECTED)
    if not all(isinstance(term, dict) for term in array['terms']):
        raise ValueError(_EXPECTED)
    if observed:
        _stub({'obs': array}, {'action': [{'term': 'value', 'size': 1}]}, array)
    else:
        output_terms('action', array, {})
    return array


def free_terms(value: Any, action_width: int) -> list[dict[str, Any]]:
    """
    Read observation terms of any size.

    :raises ValueError: they are not terms.
    """
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(_EXPECTED)
    observation_sizes(value, action_width)
    return value


def observation_sizes(terms: Sequence[Mapping[str, Any]], action_width: int) -> list[int]:
    """Return how many values each of some observation terms has, history not counted."""
    return [one.size for one in observation_terms(terms, action_width)]


def output_array(
    value: Any, spec: ArraySpec, check: Check = accept, joints: Sequence[str] = ()
) -> dict[str, Any]:
    """
    Read the terms of an output.

    :param value: plain data.
    :param spec: the output.
    :param check: what else its terms must be; its ``ValueError`` says what is wrong.
    :param joints: what ``joints: same`` means before a term lists some.
    :raises ValueError: they are not terms, or do not use the output.
    """
    array = _as_array(value, spec, joints)
    check(array['terms'], output_terms(spec.name, array, {}))
    return array


def output_terms(name: str, array: Mapping[str, Any], pose: Mapping[str, float]) -> list[Term]:
    """
    Return the terms of an output with their numbers.

    :param pose: the default pose; zeros where it is empty.
    :raises ValueError: they are not terms.
    """
    observation = {'obs': [{'term': 'value', 'size': 1}]}
    return list(_stub(observation, {name: array}, array, pose).outputs[name])


def array_of(spec: ArraySpec) -> dict[str, Any]:
    """Return shape, dtype and batch of an input or output as the contract has them."""
    batch = has_batch(spec)
    shape = list(spec.shape[1:] if batch else spec.shape)
    return {'shape': shape, 'dtype': spec.dtype, 'batch': batch}


def has_batch(spec: ArraySpec) -> bool:
    """Return whether an array has a batch axis of one in front."""
    return len(spec.shape) > 1 and spec.shape[0] == 1


def _as_array(value: Any, spec: ArraySpec, joints: Sequence[str]) -> dict[str, Any]:
    given = {'terms': value} if isinstance(value, list) else value
    if not isinstance(given, dict) or not isinstance(given.get('terms'), list):
        raise ValueError(_EXPECTED)
    for key in given:
        if key not in _ARRAY_KEYS:
            raise ValueError(f'{key} is none of {", ".join(_ARRAY_KEYS)}')
    for term in given['terms']:
        if not isinstance(term, dict):
            raise ValueError(f'expected terms such as {{term: joint_position, …}}, found {term!r}')
    array = array_of(spec)
    if given.get('shape', array['shape']) != array['shape']:
        raise ValueError(f'shape is {given["shape"]}, that of the network is {array["shape"]}')
    return {**given, **array, 'terms': _with_joints(given['terms'], joints)}


def _with_joints(terms: Sequence[dict[str, Any]], joints: Sequence[str]) -> list[dict[str, Any]]:
    """Return terms that list their joints, where they say ``same``."""
    found, latest = [], list(joints)
    for term in terms:
        if isinstance(term.get('joints'), list):
            latest = [str(one) for one in term['joints']]
        named = term.get('joints') == 'same' and latest
        found.append({**term, 'joints': list(latest)} if named else term)
    return found


def latest_joints(array: Mapping[str, Any] | None) -> list[str]:
    """Return the joints that the last term of an answer lists; none without an answer."""
    listed = [one['joints'] for one in (array or {}).get('terms', ()) if 'joints' in one]
    return list(listed[-1]) if listed and isinstance(listed[-1], list) else []


def _stub(
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    array: Mapping[str, Any],
    pose: Mapping[str, float] | None = None,
) -> Contract:
    """Read a contract that has this array and as little else as it can."""
    tree = {
        'name': 'answer',
        'version': 1,
        'period': '1 s',
        'default_pose': dict(pose or dict.fromkeys(posed_joints(array), 0.0)),
        'inputs': dict(inputs),
        'outputs': dict(outputs),
        'artifact': {'file': 'none', 'sha256': _HASH, 'backend': 'onnx'},
    }
    if not tree['default_pose']:
        del tree['default_pose']
    try:
        return parse_contract(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), 'answer')
    except ContractError as problem:
        # without the file and line of the stub: the user sees neither
        raise ValueError(str(problem).split(': ', 1)[1]) from problem


def posed_joints(array: Mapping[str, Any] | None) -> list[str]:
    """Return the joints of the terms that say ``default_pose``; ``same`` as in contracts."""
    found: list[str] = []
    latest: list[str] = []
    for term in (array or {}).get('terms', ()):
        joints = term.get('joints')
        if isinstance(joints, list):
            latest = [str(one) for one in joints]
        if 'default_pose' in (term.get('relative_to'), term.get('offset')):
            found.extend(joint for joint in latest if joint not in found)
    return found

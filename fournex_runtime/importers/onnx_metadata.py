"""
ONNX models with ``metadata_props`` of mjlab, whole_body_tracking (BeyondMimic), legged_control2.

Their exporters (``attach_onnx_metadata``, ``get_base_metadata``) write lists as comma-separated
texts with three decimals, and lists in them with semicolons. Names of observations are those of
the training's configuration, which need not be those of functions: ``joint_pos`` is relative to
the default pose in all of the tasks upstream, and may be absolute in others, so it is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ArtifactError
from .array_terms import array_of
from .draft import Draft
from .identity import ask_identity, ask_period
from .isaac_terms import take_default_pose
from .metadata_lists import MetadataLists
from .metadata_observations import TIME_STEP, metadata_terms
from .network_arrays import NetworkArrays, network_arrays
from .questions import Question, by_joint, choice, names, numbers
from .recognise import Importer, Match
from .source_file import SourceFile

_KEYS = frozenset(('joint_names', 'default_joint_pos', 'action_scale', 'observation_names'))
_READ = _KEYS | {
    'joint_stiffness',
    'joint_damping',
    'command_names',
    'observation_history_lengths',
    'observation_terms_clip',
    'observation_terms_scale',
    'observation_terms_history_length',
    'observation_terms_flatten_history_dim',
}


def _claims(file: SourceFile) -> str:
    if file.onnx is None or not set(file.onnx.metadata) >= _KEYS:
        return ''
    return 'ONNX with metadata ' + ', '.join(sorted(_KEYS))


def _draft(match: Match, draft: Draft) -> None:
    network = network_arrays(match.file)
    lists = MetadataLists(network.header.metadata, match.file.name)
    ask_identity(draft, match)
    draft.tree['description'] = f'exported with metadata of run {lists.text("run_path")}'.strip()
    ask_period(draft, 'the time between two actions (env.step_dt)')
    joints = lists.texts('joint_names')
    pose = lists.numbers('default_joint_pos', len(joints))
    tracks = any(one.name == TIME_STEP for one in network.inputs)
    where = lists.place('default_joint_pos')
    take_default_pose(draft, dict(zip(joints, pose)), where, 'artifact', not tracks)
    _gains(draft, lists, joints)
    output = network.actions('actions', 'action')
    width = output.shape[-1]
    draft.tree['outputs'] = {
        output.name: {
            **array_of(output),
            'terms': [_action(draft, lists, joints, output.name, width)],
        }
    }
    inputs = [one for one in network.inputs if one.name != TIME_STEP]
    if len(inputs) != 1:
        found = ', '.join(one.name for one in network.inputs)
        raise ArtifactError(
            f'{match.file.path}: takes {found}; {lists.place("observation_names")} lists the '
            'terms of one input'
        )
    terms = metadata_terms(draft, lists, network, joints, inputs[0].name, width)
    draft.tree['inputs'] = {inputs[0].name: {**array_of(inputs[0]), 'terms': terms}}
    for one in network.inputs:
        if one.name == TIME_STEP:
            clock = draft.known(
                'inputs.time_step', 'clock', lists.place('observation_names'), None, 'artifact'
            )
            terms = [{'term': clock, 'of': 'tick'}]
            draft.tree['inputs'][one.name] = {**array_of(one), 'terms': terms}
    if network.state:
        draft.tree['state'] = draft.known(
            'state',
            network.state_tree(),
            f'{match.file.name}: inputs and outputs',
            None,
            'artifact',
        )
    _leave_out(draft, network, output.name)
    draft.known(
        'normaliser', 'in the network', f'{match.file.name}: the exporter puts it there', None,
        'artifact',
    )  # fmt: skip
    draft.notes.append('numbers in its metadata have three decimals')
    draft.set_artifact('policy.onnx', match.file.data, 'onnx', match.file)


def _leave_out(draft: Draft, network: NetworkArrays, output: str) -> None:
    """Note what is in the file and not in the contract."""
    others = [one.name for one in network.outputs if one.name != output]
    if others:
        draft.notes.append(f'outputs that are no actions, left out: {", ".join(others)}')
    unread = sorted(set(network.header.metadata) - _READ - {'run_path'})
    if unread:
        draft.notes.append(f'metadata that is not read: {", ".join(unread)}')


def _gains(draft: Draft, lists: MetadataLists, joints: Sequence[str]) -> None:
    """Take stiffness and damping over where it is certain whose they are."""
    if 'joint_stiffness' not in lists or 'joint_damping' not in lists:
        return
    found = {key: lists.numbers(f'joint_{key}') for key in ('stiffness', 'damping')}
    if any(len(one) != len(joints) for one in found.values()):
        draft.unknown('gains', f'{lists.place("joint_stiffness")}: not one a joint')
        return
    if any(len(set(one)) > 1 for one in found.values()):
        answer = draft.ask(
            Question(
                'gains',
                'whether joint_stiffness and joint_damping are in the order of joint_names',
                choice('joint_order', 'leave_out'),
                'mjlab wrote them in the order of the actuators once: compare some with the '
                "robot's configuration. leave_out: the contract says nothing of gains",
            )
        )
        if answer != 'joint_order':
            return
    draft.tree['gains'] = {
        key: draft.known(
            f'gains.{key}',
            dict(zip(joints, values)),
            lists.place(f'joint_{key}'),
            by_joint(joints, 'Nm/rad, Nms/rad'),
            'artifact',
        )  # fmt: skip
        for key, values in found.items()
    }


def _action(
    draft: Draft, lists: MetadataLists, joints: Sequence[str], output: str, width: int
) -> dict[str, Any]:
    place = f'outputs.{output}'
    own: Sequence[str] | None = joints
    if width == len(joints):
        draft.known(f'{place}.joints', joints, lists.place('joint_names'), None, 'artifact')
    else:
        own = draft.ask(
            Question(
                f'{place}.joints',
                f'which of the {len(joints)} joints '
                + (
                    'the action is for' if width == 1 else f'the {width} actions are for, in order'
                ),
                names(width),
                f'joints: {", ".join(joints)}',
            )
        )
    scale = lists.numbers('action_scale')
    if len(scale) not in (1, width):
        raise lists.problem('action_scale', f'1 or {width} numbers', f'{len(scale)}')
    scale = draft.known(
        f'{place}.scale', scale * (width // len(scale)), lists.place('action_scale'),
        numbers(width), 'artifact',
    )  # fmt: skip
    offset = draft.ask(
        Question(
            f'{place}.offset',
            'what is added to an action after its scale',
            choice('default_pose', 'zero'),
            'use_default_offset of the action term: default_pose where it is true, as in the '
            'tasks upstream',
        )
    )
    term: dict[str, Any] = {'term': 'joint_position_target', 'scale': list(scale)}
    term['joints'] = list(own or (f'joint_{index}' for index in range(width)))
    if offset == 'default_pose':
        term['offset'] = 'default_pose'
    return term


IMPORTER = Importer(
    'onnx_metadata',
    'ONNX with the metadata of mjlab, whole_body_tracking (BeyondMimic) or legged_control2',
    _claims,
    _draft,
)

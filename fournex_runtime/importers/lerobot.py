"""
Folders of LeRobot (``save_pretrained``): features, chunks of actions, statistics, weights.

The folder does not say what the values are, nor how fast the data was recorded; ``meta/info.json``
of the data set does, where it is given. What the pre- and postprocessor do becomes the scale and
offset of terms. Bundles hold ``config.json`` and ``model.safetensors``, which LeRobot needs to run
the policy, in one archive.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from ..policy.contract_types import Fact
from ..policy.tensor_file import read_tensors
from .array_questions import Arrays, ask_poses
from .array_terms import observation_terms, output_terms
from .draft import Draft
from .foreign import Foreign
from .identity import ask_identity, ask_period
from .lerobot_processors import Affine, Normaliser, read_normaliser
from .questions import choice
from .recognise import Importer, Match
from .source_file import SourceFile
from .terms import PlainTerm, ask_action, ask_observation, name_across, one_or_all, scaled

CONFIG, WEIGHTS = 'config.json', 'model.safetensors'
"""The files in the archive."""

_KEYS = ('type', 'n_obs_steps', 'input_features', 'output_features')
_CHUNKS = {'act': 'chunk_size', 'diffusion': 'n_action_steps'}
"""The policies that can be run, and which key says how many actions they give at once."""
_ARITHMETIC = ('clip', 'scale', 'relative_to', 'offset')
_UNITS = (
    'as the robot of the data set has them: many arms of LeRobot report degrees, or -100 to 100 '
    'of their range; say so with unit, and have the wiring convert'
)


def _claims(file: SourceFile) -> str:
    found = file.json
    if found is None or not all(key in found for key in _KEYS):
        return ''
    return f'JSON with {", ".join(_KEYS)}'


def _draft(match: Match, draft: Draft) -> None:
    config = match.file.json
    assert config is not None
    kind = config['type'].word(*_CHUNKS)
    ensemble = config.get('temporal_ensemble_coeff')
    if ensemble is not None:
        raise ensemble.problem('null: chunks that are averaged over time are not played here')
    ask_identity(draft, match)
    draft.tree['description'] = f'LeRobot: {kind}'
    dataset = _dataset(match, draft)
    _period(draft, dataset)
    before = read_normaliser(match, draft, 'policy_preprocessor', 'normalizer_processor')
    after = read_normaliser(match, draft, 'policy_postprocessor', 'unnormalizer_processor')
    size = config['output_features']['action']['shape'].wholes(1, least=1)[0]
    frames = config['n_obs_steps'].whole(1)
    draft.tree['inputs'] = {
        name: _input(draft, name, feature, before, dataset, frames, size)
        for name, feature in config['input_features'].entries()
    }
    name_across(draft.tree['inputs'])
    draft.tree['outputs'] = {'action': _output(draft, size, after, dataset)}
    answered = {name: one if one['terms'] else None for name, one in draft.tree['inputs'].items()}
    ask_poses(draft, Arrays(answered, {}))
    chunk, executed = config[_CHUNKS[kind]], config['n_action_steps']
    draft.tree['chunk'] = draft.known(
        'chunk',
        {
            'size': chunk.whole(1),
            'step': draft.tree['period'],
            'execute': executed.whole(1),
            'interpolation': 'none',
        },
        f'{chunk.where}, {executed.where}',
    )
    weights = match.needed(draft, 'weights', lambda one: one.path.name == WEIGHTS)
    read_tensors(weights.path, weights.data, 'reading the weights of a policy')
    archive = _archive({CONFIG: match.file.data, WEIGHTS: weights.data})
    draft.set_artifact('policy.zip', archive, 'lerobot', match.file)


def _archive(files: Mapping[str, bytes]) -> bytes:
    """Return a zip archive that has the same bytes whenever it is made of the same files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, 'w', zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


def _dataset(match: Match, draft: Draft) -> Foreign | None:
    """Return ``meta/info.json`` of the data set, where it is there or named."""

    def fits(file: SourceFile) -> bool:
        return file.json is not None and 'fps' in file.json and 'features' in file.json

    found = match.companion(draft, 'data set', fits, ('.', 'meta'))
    return found.json if found is not None else None


def _period(draft: Draft, dataset: Foreign | None) -> None:
    if dataset is None:
        ask_period(draft, 'one over fps of the data set (its meta/info.json, with --also)')
        return
    rate = dataset['fps']
    if rate.number() <= 0.0:
        raise rate.problem('a rate above 0 Hz')
    draft.tree['period'] = draft.known('period', f'{round(1e9 / rate.number())} ns', rate.where)


def _input(
    draft: Draft,
    name: str,
    feature: Foreign,
    before: Normaliser | None,
    dataset: Foreign | None,
    frames: int,
    actions: int,
) -> dict[str, Any]:
    kind = feature['type'].word('STATE', 'ENV', 'VISUAL')
    shape = list(feature['shape'].wholes(3 if kind == 'VISUAL' else 1, least=1))
    change = before.of(name, kind, shape[0]) if before is not None else None
    if kind == 'VISUAL':
        terms: Sequence[PlainTerm] | None = [_image(draft, name, feature, shape)]
        parts = [shape[0]]
    else:
        terms = ask_observation(
            draft,
            f'inputs.{name}',
            f'what the {shape[0]} values of {name} are',
            shape[0],
            actions,
            '{term: joint_position, joints: [shoulder_pan, …]}',
            f'{_names(dataset, name)}{_UNITS}',
            _ARITHMETIC,
        )
        parts = [one.size for one in observation_terms(terms, actions)] if terms else []
    if change is not None:
        draft.facts[f'inputs.{name}.normalisation'] = Fact('file', change.where)
        terms = _changed(terms or [], parts, change, 'relative_to')
    array: dict[str, Any] = {'shape': shape, 'terms': terms}
    if frames > 1:
        array['shape'] = [frames, *shape]
        array.update({'history': frames, 'history_layout': 'time', 'order': 'oldest_first'})
    return array


def _image(draft: Draft, name: str, feature: Foreign, shape: Sequence[int]) -> PlainTerm:
    """Return the term of a camera; LeRobot feeds its images as they are, from 0 to 1."""
    channels, height, width = shape
    if channels != 3:
        raise feature['shape'].problem('an image of 3 channels (RGB)', f'{channels}')
    resize = draft.known(
        f'inputs.{name}.resize',
        'none',
        f'{feature.where}: LeRobot does not resize what its cameras give',
        choice('none', 'area', 'nearest', 'nearest_centre'),
    )
    return {
        'term': 'image',
        'name': name.rpartition('.')[2],
        'height': height,
        'width': width,
        'channels': 'rgb',
        'layout': 'chw',
        'range': '0-1',
        'resize': resize,
    }


def _output(
    draft: Draft, size: int, after: Normaliser | None, dataset: Foreign | None
) -> list[PlainTerm]:
    terms = ask_action(
        draft,
        'outputs.action',
        f'what the {size} values of action command',
        size,
        '{term: joint_position_target, joints: [shoulder_pan, …]}',
        f'{_names(dataset, "action")}{_UNITS}',
        _ARITHMETIC,
    )
    change = after.of('action', 'ACTION', size) if after is not None else None
    if terms is None or change is None:
        return terms or []
    draft.facts['outputs.action.normalisation'] = Fact('file', change.where)
    parts = [term.size for term in output_terms('action', {'terms': terms}, {})]
    return _changed(terms, parts, change, 'offset')


def _changed(
    terms: Sequence[PlainTerm], parts: Sequence[int], change: Affine, key: str
) -> list[PlainTerm]:
    """Return terms with scale and zero; ``key`` says which: ``relative_to`` or ``offset``."""
    made, at = [], 0
    for term, size in zip(terms, parts):
        part = slice(at, at + size)
        at += size
        zero = {key: one_or_all(change.zero[part])} if any(change.zero[part]) else {}
        made.append({**term, **zero, **scaled(change.scale[part])})
    return made


def _names(dataset: Foreign | None, feature: str) -> str:
    """Return what the data set calls the values of a feature, for a question."""
    found = dataset['features'].get(feature) if dataset is not None else None
    names = found.get('names') if found is not None else None
    if names is None:
        return ''
    listed = names.value if isinstance(names.value, list) else list(names.value.values())
    flat = [str(one) for item in listed for one in (item if isinstance(item, list) else [item])]
    return f'{names.where}: {", ".join(flat)}; '


IMPORTER = Importer(
    'lerobot',
    'a folder of LeRobot with config.json, model.safetensors and the processors',
    _claims,
    _draft,
)

"""
LEAPP bundles (Isaac Lab, GR00T, Isaac ROS Deploy): a YAML file, an ONNX model, initial values.

The schema is that of leapp 0.7 (config version 1.3) and of ``isaac_deploy_core`` in Isaac ROS
Deploy, which calls ``feedback_flow`` ``feedback_connections`` and may leave out hashes and rate.
"""

from __future__ import annotations

import hashlib
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ArtifactError
from ..policy.tensor_file import read_tensors, write_tensors
from .draft import Draft
from .foreign import Foreign
from .identity import ask_identity, ask_period
from .leapp_terms import LeappArray, commanded, observed
from .network_arrays import is_network
from .recognise import Importer, Match
from .source_file import SourceFile
from .terms import name_across


def _claims(file: SourceFile) -> str:
    found = file.yaml
    if found is None or 'models' not in found or 'pipeline' not in found:
        return ''
    models = found['models'].value
    if not isinstance(models, dict) or not models:
        return ''
    parts = ('inputs', 'outputs', 'parameters')
    if not all(
        isinstance(one, dict) and all(key in one for key in parts) for one in models.values()
    ):
        return ''
    return f'YAML with models ({", ".join(models)}) and a pipeline'


def _draft(match: Match, draft: Draft) -> None:
    found = match.file.yaml
    assert found is not None
    name, model = _only_model(found)
    ask_identity(draft, match)
    draft.tree['description'] = 'LEAPP'
    _period(draft, found['pipeline'])
    file = _network(match, draft, model['parameters'])
    inputs = _arrays(model['inputs'], file, 'inputs')
    outputs = _arrays(model['outputs'], file, 'outputs')
    pairs = _feedback(found['pipeline'], name, inputs, outputs)
    _state(match, draft, found['pipeline'], name, pairs, inputs, outputs)
    taken, given = set(pairs.values()), set(pairs)
    seen = [one for one in inputs.values() if one.name not in taken]
    acted = [one for one in outputs.values() if one.name not in given]
    width = sum(math.prod(one.row) for one in acted)
    draft.tree['inputs'] = {one.name: observed(draft, one, width) for one in seen}
    draft.tree['outputs'] = {one.name: commanded(draft, one) for one in acted}
    name_across(draft.tree['inputs'])
    name_across(draft.tree['outputs'])
    draft.set_artifact('policy.onnx', file.data, 'onnx', file)


def _only_model(found: Foreign) -> tuple[str, Foreign]:
    """Return the model; a pipeline of several is no policy that a session can ask at once."""
    names = found['models'].keys()
    flow = found['pipeline'].get('data_flow')
    if len(names) != 1:
        joined = f', joined by {", ".join(flow.keys())}' if flow is not None else ''
        raise found['models'].problem(
            'one model',
            f'{len(names)} ({", ".join(names)}){joined}; export them as one graph: only a single '
            'network can be asked at a tick',
        )
    if flow is not None and flow.keys():
        raise flow.problem('no flow between models, where there is one')
    return names[0], found['models'][names[0]]


def _period(draft: Draft, pipeline: Foreign) -> None:
    """Read the rate of the policy, which older files and other exporters leave out."""
    configs = pipeline.get('configs')
    frequency = configs.get('frequency') if configs is not None else None
    if frequency is None:
        ask_period(draft, 'the file has no pipeline.configs.frequency')
        return
    if frequency.number() <= 0.0:
        raise frequency.problem('a frequency above 0 Hz')
    draft.tree['period'] = draft.known(
        'period', f'{round(1e9 / frequency.number())} ns', f'{frequency.where}, in Hz'
    )


def _network(match: Match, draft: Draft, parameters: Foreign) -> SourceFile:
    """Return the model's file; its hash must be the one that the file has."""
    path = parameters['model_path'].text()
    name = pathlib.PurePosixPath(path.replace('\\', '/')).name
    file = match.needed(
        draft,
        f'network ({name})',
        lambda one: one.path.name == name or (one in match.also and is_network(one)),
    )
    expected = parameters.get('sha256sum')
    if expected is not None:
        found = hashlib.sha256(file.data).hexdigest()
        if found != expected.text():
            raise ArtifactError(
                f'{file.path}: {expected.where} is {expected.text():.12}…, the file has '
                f'{found[:12]}…: it is not the network that this description is of'
            )
    if not is_network(file):
        raise ArtifactError(
            f'{file.path}: expected an ONNX model (backend: {parameters["backend"].text()}); '
            f'{file.complaint or "export it with a backend of that kind"}'
        )
    return file


def _arrays(listed: Foreign, file: SourceFile, side: str) -> dict[str, LeappArray]:
    """Read inputs or outputs, and compare them with those of the model."""
    assert file.onnx is not None
    there = {one.name: one for one in getattr(file.onnx, side)}
    made: dict[str, LeappArray] = {}
    for item in listed.items():
        name = item['name'].text()
        kind = item.get('kind')
        array = LeappArray(
            item, name, kind.text() if kind is not None else '', item['shape'].wholes(None, 1)
        )
        dtype = item.get('dtype')
        if dtype is not None and dtype.text() != 'float32':
            raise dtype.problem('float32')
        if name not in there:
            raise item['name'].problem(f'one of {", ".join(there)}, of {file.path}')
        shape = tuple(n if n is not None else m for n, m in zip(there[name].shape, array.shape))
        if shape != array.shape or len(there[name].shape) != len(array.shape):
            raise item['shape'].problem(
                f'{[n or "any" for n in there[name].shape]} of {name} in {file.path}',
                f'{list(array.shape)}',
            )
        made[name] = array
    missing = sorted(set(there) - set(made))
    if missing:
        raise listed.problem(f'all {side} of {file.path}', f'none called {", ".join(missing)}')
    return made


def _feedback(
    pipeline: Foreign,
    model: str,
    inputs: Mapping[str, LeappArray],
    outputs: Mapping[str, LeappArray],
) -> dict[str, str]:
    """Return which output is the input of the next tick."""
    pairs: dict[str, str] = {}
    for key in ('feedback_flow', 'feedback_connections'):
        flow = pipeline.get(key)
        for source, targets in flow.entries() if flow is not None else ():
            names = targets.texts()
            if len(names) != 1:
                raise targets.problem('one input', f'{len(names)}')
            output, taken = (one.removeprefix(f'{model}/') for one in (source, names[0]))
            if output not in outputs or taken not in inputs:
                raise targets.problem(
                    f'an output and an input of {model}', f'{source} → {names[0]}'
                )
            if outputs[output].shape != inputs[taken].shape:
                raise targets.problem(
                    f'the shape {list(outputs[output].shape)} of {output}',
                    f'{list(inputs[taken].shape)} of {taken}',
                )
            pairs[output] = taken
    return pairs


def _state(
    match: Match,
    draft: Draft,
    pipeline: Foreign,
    model: str,
    pairs: Mapping[str, str],
    inputs: Mapping[str, LeappArray],
    outputs: Mapping[str, LeappArray],
) -> None:
    """Make recurrent state of what is fed back, with its first values."""
    first = _first_values(match, draft, pipeline, model)
    states: dict[str, Any] = {}
    for output, taken in pairs.items():
        kind = outputs[output].found.get('kind')
        if kind is not None:
            raise kind.problem(
                'no kind, since it is fed back',
                f'{kind.value}; have the model give it twice, as command and as state',
            )
        name = taken.removesuffix('_in')
        initial: Any = 'zeros'
        if taken in first:
            value = first[taken]
            if value.shape != inputs[taken].shape or value.dtype != np.float32:
                raise ArtifactError(
                    f'{match.file.path}: initial value of {taken}: expected float32 '
                    f'{list(inputs[taken].shape)}, found {value.dtype} {list(value.shape)}'
                )
            if value.any():
                data = write_tensors({name: value}, 'writing initial values')
                initial = draft.add_file(f'initial_{name}.safetensors', data)
        states[name] = draft.known(
            f'state.{name}',
            {
                'shape': list(inputs[taken].shape),
                'input': taken,
                'output': output,
                'initial': initial,
                'reset': 'episode',
            },
            f'{pipeline.where}: {output} → {taken}',
        )
    unknown = sorted(set(first) - set(pairs.values()))
    if unknown:
        raise ArtifactError(
            f'{match.file.path}: has an initial value for {", ".join(unknown)}, to which nothing '
            'is fed back'
        )
    if states:
        draft.tree['state'] = states


def _first_values(match: Match, draft: Draft, pipeline: Foreign, model: str) -> Mapping[str, Any]:
    named_file = pipeline.get('initial_values')
    if named_file is None:
        return {}
    name = named_file.text()
    file = match.needed(
        draft,
        f'initial values ({name})',
        lambda one: one.path.name == pathlib.PurePosixPath(name).name,
    )
    values = read_tensors(file.path, file.data, 'reading initial values')
    return {key.removeprefix(f'{model}/'): value for key, value in values.items()}


IMPORTER = Importer(
    'leapp',
    'a LEAPP bundle: YAML with models and pipeline, beside its ONNX model',
    _claims,
    _draft,
)

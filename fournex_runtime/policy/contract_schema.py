"""
The JSON Schema of ``policy.yaml``, for editors: made from the same declarations as the reader.

``config/policy.schema.json`` is this, written out; an editor with a YAML language server takes it
by a first line ``# yaml-language-server: $schema=…``. ``python -m
fournex_runtime.policy.contract_schema`` prints it. It says which keys there are and of what kind
their values are; what only the whole file tells (sizes, names that must agree) the reader checks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from .contract_types import BACKENDS, DTYPES, FACT_SOURCES, FILE_SOURCE, OUTPUT_DTYPES
from .installed_terms import CUSTOM_NAME
from .options import DURATION, Schema
from .term_kinds import CONTINUOUS_KINDS, DISCRETE, OBSERVATION_KINDS, TermKind

_TEXT: Schema = {'type': 'string'}
_NUMBER: Schema = {'type': 'number'}
_NUMBERS: Schema = {'$ref': '#/$defs/numbers'}
_NAMES: Schema = {'type': 'array', 'items': _TEXT, 'minItems': 1, 'uniqueItems': True}
_COUNT: Schema = {'type': 'integer', 'minimum': 1}
_DURATION: Schema = {'type': 'string', 'pattern': DURATION}
_NAME = r'^[^/\s][^/]*$'
_FILE: Schema = {'type': 'string', 'pattern': r'^[^./][^/]*$'}
_SHA256: Schema = {'type': 'string', 'pattern': '^[0-9a-f]{64}$'}
_BY_JOINT: Schema = {'type': 'object', 'additionalProperties': _NUMBER}
_ORDER: Schema = {'enum': ['oldest_first', 'newest_first']}
_SHAPE: Schema = {'type': 'array', 'items': _COUNT}
_POSITIVE: Schema = {'type': 'number', 'exclusiveMinimum': 0}


def contract_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of a contract."""
    inputs = [_term(kind, 'relative_to', True) for kind in OBSERVATION_KINDS.values()]
    inputs.append(_custom())
    outputs = [_term(kind, 'offset', False) for kind in CONTINUOUS_KINDS.values()]
    outputs.extend(_choice(kind) for kind in CONTINUOUS_KINDS.values())
    listed = {'observations': inputs, 'actions': outputs}
    definitions: Schema = {
        'numbers': {'anyOf': [_NUMBER, {'type': 'array', 'items': _NUMBER}]},
        'clip': {
            'anyOf': [
                {'type': 'array', 'items': _NUMBER, 'minItems': 2, 'maxItems': 2},
                mapping({'low': _NUMBERS, 'high': _NUMBERS}, optional=('low', 'high')),
            ]
        },
        **{
            name: {'type': 'array', 'items': {'anyOf': terms}, 'minItems': 1}
            for name, terms in listed.items()
        },
    }
    return {
        '$schema': 'https://json-schema.org/draft/2020-12/schema',
        'title': 'Fournex policy contract',
        'description': 'What a policy was trained to see and to do (docs/contract.md).',
        '$defs': definitions,
        **mapping(
            {
                'name': {'type': 'string', 'pattern': '^[A-Za-z0-9][A-Za-z0-9_.-]*$'},
                'version': _COUNT,
                'description': _TEXT,
                'period': _DURATION,
                'default_pose': _BY_JOINT,
                'start_pose': {'anyOf': [{'const': 'default_pose'}, _BY_JOINT]},
                'gains': mapping({'stiffness': _BY_JOINT, 'damping': _BY_JOINT}),
                'inputs': _arrays('observations', DTYPES, True),
                'outputs': _arrays('actions', OUTPUT_DTYPES, False),
                'chunk': mapping(
                    {
                        'size': _COUNT,
                        'step': _DURATION,
                        'execute': _COUNT,
                        'interpolation': {'enum': ['none', 'linear']},
                    }
                ),
                'normalisation': _normalisation(),
                'state': {'type': 'object', 'additionalProperties': _state()},
                'artifact': mapping(
                    {'file': _FILE, 'sha256': _SHA256, 'backend': {'enum': list(BACKENDS)}}
                ),
                'card': mapping({'file': _FILE, 'sha256': _SHA256}),
                'facts': {'type': 'object', 'additionalProperties': _fact()},
            },
            optional=(
                'description',
                'default_pose',
                'start_pose',
                'gains',
                'chunk',
                'normalisation',
                'state',
                'card',
                'facts',
            ),
        ),
    }


def mapping(properties: Schema, optional: Sequence[str] = ()) -> Schema:
    """Return the schema of a mapping that has no other keys."""
    return {
        'type': 'object',
        'properties': properties,
        'required': [key for key in properties if key not in optional],
        'additionalProperties': False,
    }


def _arrays(terms: str, dtypes: Sequence[str], observed: bool) -> Schema:
    """Return the schema of ``inputs`` or ``outputs``."""
    listed: Schema = {'$ref': f'#/$defs/{terms}'}
    properties: Schema = {
        'terms': listed,
        'shape': _SHAPE,
        'dtype': {'enum': list(dtypes)},
        'batch': {'type': 'boolean'},
    }
    if observed:
        properties['history'] = _COUNT
        properties['history_layout'] = {'enum': ['term', 'time']}
        properties['order'] = _ORDER
    whole = mapping(properties, optional=[key for key in properties if key != 'terms'])
    return {
        'type': 'object',
        'minProperties': 1,
        'additionalProperties': {'anyOf': [listed, whole]},
    }


def _term(kind: TermKind, offset: str, observed: bool) -> Schema:
    properties: Schema = {'term': {'const': kind.name}, **_common(kind)}
    optional = ['name', 'unit', 'frame', offset, 'clip', 'scale', 'history', 'order']
    if kind.arithmetic:
        properties[offset] = {'anyOf': [_NUMBERS, {'const': 'default_pose'}]}
        properties['clip'] = {'$ref': '#/$defs/clip'}
        properties['scale'] = _NUMBERS
    if observed:
        properties['history'] = _COUNT
        properties['order'] = _ORDER
    optional.extend(option.key for option in kind.options if not option.required)
    return mapping(properties, optional)


def _custom() -> Schema:
    """Return the schema of a term of another package, whose options only that one knows."""
    properties: Schema = {
        'term': {'type': 'string', 'pattern': CUSTOM_NAME},
        'name': {'type': 'string', 'pattern': _NAME},
        'unit': _TEXT,
        'frame': _TEXT,
        'relative_to': _NUMBERS,
        'clip': {'$ref': '#/$defs/clip'},
        'scale': _NUMBERS,
        'history': _COUNT,
        'order': _ORDER,
    }
    return {'type': 'object', 'properties': properties, 'required': ['term']}


def _choice(kind: TermKind) -> Schema:
    """Return the schema of a discrete action that stands for a kind of command."""
    properties: Schema = {
        'term': {'const': DISCRETE},
        'as': {'const': kind.name},
        **_common(kind),
        'actions': {'type': 'array', 'items': _NUMBERS, 'minItems': 2},
    }
    optional = ['name', 'unit', 'frame']
    optional.extend(option.key for option in kind.options if not option.required)
    return mapping(properties, optional)


def _common(kind: TermKind) -> Schema:
    properties: Schema = {'name': {'type': 'string', 'pattern': _NAME}}
    if kind.joints:
        properties['joints'] = {'anyOf': [{'const': 'same'}, _NAMES]}
    properties['unit'] = _TEXT
    properties['frame'] = _TEXT
    properties.update({option.key: option.schema for option in kind.options})
    return properties


def _normalisation() -> Schema:
    one = mapping(
        {
            'kind': {'const': 'mean_std'},
            'file': _FILE,
            'sha256': _SHA256,
            'input': _TEXT,
            'clip': _POSITIVE,
            'epsilon': _POSITIVE,
        },
        optional=('input',),
    )
    return {'anyOf': [one, {'type': 'array', 'items': one, 'minItems': 1}]}


def _state() -> Schema:
    common: Schema = {
        'shape': _SHAPE,
        'initial': {'anyOf': [{'const': 'zeros'}, mapping({'file': _FILE, 'sha256': _SHA256})]},
        'reset': {'enum': ['episode', 'never']},
    }
    passed = mapping({**common, 'input': _TEXT, 'output': _TEXT})
    return {'anyOf': [passed, mapping({**common, 'buffer': _TEXT})]}


def _fact() -> Schema:
    source: Schema = {
        'anyOf': [{'enum': list(FACT_SOURCES)}, {'type': 'string', 'pattern': f'^{FILE_SOURCE}$'}]
    }
    said = mapping({'from': source, 'detail': _TEXT}, optional=('detail',))
    return {'anyOf': [_TEXT, said]}


def schema_text() -> str:
    """Return the schema as the text of ``config/policy.schema.json``."""
    return json.dumps(contract_schema(), indent=1, ensure_ascii=False) + '\n'


if __name__ == '__main__':
    sys.stdout.write(schema_text())

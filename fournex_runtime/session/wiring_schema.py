"""
The JSON Schema of a wiring, for editors.

``config/wiring.schema.json`` is this, written out; an editor with a YAML language server takes it
by a first line ``# yaml-language-server: $schema=…``. ``python -m
fournex_runtime.session.wiring_schema`` prints it. It says which keys there are and of what kind
their values are; what only the contract and the whole file tell the reader checks.
"""

from __future__ import annotations

import json
import sys

from ..pipeline.command_values import ROUNDINGS
from ..policy.contract_schema import mapping
from ..policy.inference import ISOLATIONS, MOST_MEMORY_MIB, MOST_THREADS, PROVIDERS
from ..policy.options import DURATION, Schema
from ..policy.term_kinds import OBSERVATION_KINDS
from ..safety.limits import ORIENTATION
from ..safety.reactions import Fault
from .realtime import GREATEST_PRIORITY, LEAST_PRIORITY
from .wiring_operators import BOOL, EMPTY
from .wiring_reactions import LATE_ANSWERS
from .wiring_record import COMPRESSIONS

_TEXT: Schema = {'type': 'string'}
_TEXTS: Schema = {'type': 'array', 'items': _TEXT}
_NUMBER: Schema = {'type': 'number'}
_POSITIVE: Schema = {'type': 'number', 'exclusiveMinimum': 0}
_COUNT: Schema = {'type': 'integer', 'minimum': 1}
_FLAG: Schema = {'type': 'boolean'}
_DURATION: Schema = {'type': 'string', 'pattern': DURATION}
_OR_FOREVER: Schema = {'anyOf': [_DURATION, {'const': 'forever'}]}
_SIZE: Schema = {'type': 'string', 'pattern': r'^\s*[0-9]+(\.[0-9]+)?\s*([kMGT]?B|[KMGT]iB)\s*$'}
_REACTION: Schema = {'type': 'string', 'pattern': r'^\s*(stop\s*$|(hold|ramp|policy)\s)'}
_CORES: Schema = {'anyOf': [{'type': 'integer'}, {'type': 'array', 'items': {'type': 'integer'}}]}
_UNIT: Schema = {'anyOf': [_TEXT, _NUMBER]}  # 1 is a unit


def wiring_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of a wiring."""
    return {
        '$schema': 'https://json-schema.org/draft/2020-12/schema',
        'title': 'Fournex wiring',
        'description': 'Where a robot has what its policies want (docs/wiring.md).',
        '$defs': {
            'qos': _optional(
                {
                    'reliability': {'enum': ['reliable', 'best_effort']},
                    'durability': {'enum': ['transient_local', 'volatile']},
                    'depth': {'type': 'integer', 'minimum': 0},
                }
            ),
            'port': _port(),
            'inputs': _by_name(_input()),
            'inference': _inference(),
        },
        **mapping(
            {
                'robot': _TEXT,
                'realtime': _realtime(),
                'record': _record(),
                'sessions': {**_by_name(_session()), 'minProperties': 1},
            },
            optional=('realtime', 'record'),
        ),
    }


def _optional(properties: Schema) -> Schema:
    """Return the schema of a mapping of which every key can be left out."""
    return mapping(properties, optional=tuple(properties))


def _by_name(one: Schema) -> Schema:
    """Return the schema of a mapping whose keys are names."""
    return {'type': 'object', 'additionalProperties': one}


def _session() -> Schema:
    inference: Schema = {'$ref': '#/$defs/inference'}
    inputs: Schema = {'$ref': '#/$defs/inputs'}
    required: Schema = {
        'policy': _TEXT,
        'inputs': inputs,
        'outputs': _by_name(_output()),
        'limits': _by_name(_limits()),
        'reactions': _reactions(),
    }
    second = mapping(
        {'policy': _TEXT, 'inputs': inputs, 'inference': inference}, ('inputs', 'inference')
    )
    optional: Schema = {
        'joint_names': _by_name(_TEXT),
        'fallback': _by_name(second),
        'poses': _by_name(_by_name(_by_name(_NUMBER))),
        'command_timeout': _OR_FOREVER,
        'soft_start': _DURATION,
        'start': mapping({'tolerance': {'anyOf': [_POSITIVE, _by_name(_POSITIVE)]}}),
        'overrides': _by_name(_override()),
        'stop_topics': _by_name(_stop_topic()),
        'reward': mapping(
            {'topic': _TEXT, 'type': _TEXT, 'field': _TEXT, 'qos': _qos()}, ('field', 'qos')
        ),
        'pacing': {
            'anyOf': [
                mapping({'lockstep': _TEXT, 'with': _TEXTS}, ('with',)),
                mapping({'phase': _TEXT, 'after': _DURATION}),
            ]
        },
        'frames': mapping(
            {'budget': _OR_FOREVER, 'tf': _TEXT, 'tf_static': _TEXT}, ('tf', 'tf_static')
        ),
        'inference': inference,
    }
    return mapping({**required, **optional}, tuple(optional))


def _qos() -> Schema:
    return {'$ref': '#/$defs/qos'}


def _port() -> Schema:
    required: Schema = {'topic': _TEXT, 'type': _TEXT, 'budget': _OR_FOREVER}
    optional: Schema = {
        'joints': _TEXTS,
        'field': _TEXT,
        'fields': _by_name(_TEXT),
        'in': _TEXT,
        'unit': {'anyOf': [_UNIT, _by_name(_UNIT)]},
        'qos': _qos(),
    }
    topic = mapping({**required, **optional}, tuple(optional))
    return {'anyOf': [topic, mapping({'frame': _TEXT, 'in': _TEXT}, ('in',))]}


def _input() -> Schema:
    """Return the schema of a term: where it is read, or where each of its several ports is."""
    port: Schema = {'$ref': '#/$defs/port'}
    names = sorted({name for kind in OBSERVATION_KINDS.values() for name in kind.ports if name})
    several: Schema = {**_by_name(port), 'properties': dict.fromkeys(names, port)}
    return {'anyOf': [port, several]}


def _output() -> Schema:
    constant: Schema = {'anyOf': [_TEXT, _NUMBER, _FLAG]}
    required: Schema = {
        'topic': _TEXT,
        'type': _TEXT,
        'stop': {'anyOf': [{'enum': ['zero', 'hold']}, _by_name(_NUMBER)]},
    }
    optional: Schema = {
        'joints': _TEXTS,
        'field': _TEXT,
        'fields': _by_name(_TEXT),
        'set': _by_name({'anyOf': [constant, {'type': 'array', 'items': constant}]}),
        'unit': {'anyOf': [_UNIT, _by_name(_UNIT)]},
        'rounding': {'enum': list(ROUNDINGS)},
        'frame': _TEXT,
        'time_from_start': _DURATION,
        'consumer_timeout': _OR_FOREVER,
    }
    return mapping({**required, **optional}, tuple(optional))


def _limits() -> Schema:
    """Return the schema of the limits of a term: those of all values, and of each by its name."""
    value = _optional(
        {
            'min': _NUMBER,
            'max': _NUMBER,
            'rate': {'anyOf': [_POSITIVE, {'const': 'unlimited'}]},
            'velocity': _POSITIVE,
            'acceleration': _POSITIVE,
            'effort': _POSITIVE,
        }
    )
    side: Schema = {'type': 'array', 'items': _NUMBER, 'minItems': 2, 'maxItems': 2}
    joint = _optional(dict.fromkeys(('lower', 'upper', 'velocity', 'effort'), _NUMBER))
    named: Schema = {
        'all': value,
        ORIENTATION: mapping({'rate': value['properties']['rate']}),
        'workspace': mapping(dict.fromkeys(('x', 'y', 'z'), side)),
        'urdf': {'anyOf': [_TEXT, _by_name(joint)]},
    }
    return {**_by_name(value), 'properties': named}


def _reactions() -> Schema:
    optional: Schema = {
        **{fault.value: _REACTION for fault in Fault},
        'return': mapping({'after': _DURATION}),
        'late_answer': {'enum': list(LATE_ANSWERS)},
    }
    return mapping({'default': _REACTION, **optional}, tuple(optional))


def _override() -> Schema:
    required: Schema = {
        'topic': _TEXT,
        'priority': {'type': 'integer', 'minimum': 0},
        'timeout': _DURATION,
    }
    return mapping({**required, 'commands': _TEXT, 'qos': _qos()}, ('commands', 'qos'))


def _stop_topic() -> Schema:
    optional: Schema = {'type': {'enum': [BOOL, EMPTY]}, 'qos': _qos()}
    return mapping({'topic': _TEXT, 'timeout': _OR_FOREVER, **optional}, tuple(optional))


def _inference() -> Schema:
    return _optional(
        {
            'providers': {
                'type': 'array',
                'items': {'enum': list(PROVIDERS)},
                'minItems': 1,
                'uniqueItems': True,
            },
            'threads': {**_COUNT, 'maximum': MOST_THREADS},
            'isolation': {'enum': list(ISOLATIONS)},
            'budget': _DURATION,
            'cores': _CORES,
            'memory': {**_COUNT, 'maximum': MOST_MEMORY_MIB},
            'spare': _FLAG,
            'batch': _FLAG,
            'deterministic': _FLAG,
            'python': _TEXT,
        }
    )


def _realtime() -> Schema:
    priority: Schema = {'type': 'integer', 'maximum': GREATEST_PRIORITY}
    return _optional(
        {
            'cores': _CORES,
            'priority': {**priority, 'minimum': LEAST_PRIORITY},
            'worker_priority': {**priority, 'minimum': 0},
            'cpu_latency': {'anyOf': [_DURATION, {'const': 0}]},
            'threads': {'type': 'integer', 'minimum': 1, 'maximum': MOST_THREADS},
            'lock_memory': _FLAG,
            'garbage_collector': {'enum': ['automatic', 'between_ticks']},
            'spin': _DURATION,
            'on_refusal': {'enum': ['report', 'refuse']},
            'on_overload': {'enum': ['report', 'refuse']},
        }
    )


def _record() -> Schema:
    chunks: Schema = {'compression': {'enum': list(COMPRESSIONS)}, 'chunk': _SIZE}
    whole = _optional(
        {
            'mode': {'const': 'continuous'},
            **chunks,
            'split_size': _SIZE,
            'split_time': _OR_FOREVER,
            'keep': _SIZE,
        }
    )
    ring: Schema = {
        **chunks,
        'keep': _DURATION,
        'after': _DURATION,
        'memory': _SIZE,
        'disk': _SIZE,
    }
    return {'anyOf': [whole, mapping({'mode': {'const': 'ring'}, **ring}, tuple(ring))]}


def schema_text() -> str:
    """Return the schema as the text of ``config/wiring.schema.json``."""
    return json.dumps(wiring_schema(), indent=1, ensure_ascii=False) + '\n'


if __name__ == '__main__':
    sys.stdout.write(schema_text())

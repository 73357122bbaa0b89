"""The part of JSON Schema that our schemas use, as an editor applies it to YAML."""

from __future__ import annotations

import re
from typing import Any

import yaml

_TYPES: dict[str, Any] = {
    'object': dict,
    'array': list,
    'string': str,
    'boolean': bool,
    'integer': int,
    'number': (int, float),
}
_KNOWN = {
    'type', 'properties', 'required', 'additionalProperties', 'minProperties', 'items', 'minItems',
    'maxItems', 'uniqueItems', 'anyOf', 'enum', 'const', 'pattern', 'minimum', 'maximum',
    'exclusiveMinimum', '$schema', '$defs', 'title', 'description',
}  # fmt: skip


def problems(value: Any, schema: Any, path: str = '', whole: Any = None) -> list[str]:
    """Return what is wrong with a value, each with its path."""
    whole = schema if whole is None else whole
    if isinstance(schema, dict) and '$ref' in schema:
        schema = whole['$defs'][schema['$ref'].removeprefix('#/$defs/')]
    if schema is True or schema is False:
        return [] if schema else [f'{path}: is not allowed']
    assert set(schema) <= _KNOWN, set(schema) - _KNOWN
    found = []
    if 'anyOf' in schema:
        tried = [problems(value, one, path, whole) for one in schema['anyOf']]
        if all(tried):
            found.extend(min(tried, key=len))
    kind = schema.get('type')
    if kind is not None:
        right = isinstance(value, _TYPES[kind])
        if isinstance(value, bool) and kind in ('integer', 'number'):
            right = False
        if not right:
            return [*found, f'{path}: is no {kind}']
    if 'enum' in schema and value not in schema['enum']:
        found.append(f'{path}: {value!r} is none of {schema["enum"]}')
    if 'const' in schema and value != schema['const']:
        found.append(f'{path}: {value!r} is not {schema["const"]!r}')
    if 'pattern' in schema and isinstance(value, str) and not re.search(schema['pattern'], value):
        found.append(f'{path}: {value!r} does not match')
    if 'minimum' in schema and value < schema['minimum']:
        found.append(f'{path}: {value} is too small')
    if 'maximum' in schema and value > schema['maximum']:
        found.append(f'{path}: {value} is too large')
    if 'exclusiveMinimum' in schema and value <= schema['exclusiveMinimum']:
        found.append(f'{path}: {value} is too small')
    if isinstance(value, dict):
        found.extend(_mapping_problems(value, schema, path, whole))
    if isinstance(value, list):
        if not schema.get('minItems', 0) <= len(value) <= schema.get('maxItems', len(value)):
            found.append(f'{path}: has {len(value)} items')
        if schema.get('uniqueItems') and len(set(value)) != len(value):
            found.append(f'{path}: an item occurs twice')
        for index, item in enumerate(value):
            found.extend(problems(item, schema.get('items', True), f'{path}[{index}]', whole))
    return found


def _mapping_problems(value: dict[str, Any], schema: Any, path: str, whole: Any) -> list[str]:
    missing = [key for key in schema.get('required', ()) if key not in value]
    found = [f'{path}: {key} is missing' for key in missing]
    if len(value) < schema.get('minProperties', 0):
        found.append(f'{path}: is empty')
    for key, item in value.items():
        inner = schema.get('properties', {}).get(key, schema.get('additionalProperties', True))
        found.extend(problems(item, inner, f'{path}.{key}', whole))
    return found


def tree_of(text: str) -> Any:
    """Return YAML as an editor reads it: by the core schema of YAML 1.2."""
    return _typed(yaml.compose(text, Loader=yaml.SafeLoader))


def _typed(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {key.value: _typed(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_typed(value) for value in node.value]
    for kind in (int, float) if node.style is None else ():
        try:
            return kind(node.value)
        except ValueError:
            continue
    return {'true': True, 'false': False}.get(node.value, node.value)

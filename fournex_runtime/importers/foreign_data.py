"""
YAML and JSON that other programs wrote, read as plain data; nothing in them is ever constructed.

Scalars are resolved as YAML 1.2's core schema has it, of which what PyYAML, yaml-cpp and JSON
write is a part. A tag beyond the plain ones (``!!python/object/apply:builtins.slice``) becomes
:class:`Tagged`: its name and its plain data. Size, depth and the number of values, aliases counted
as often as they stand for something, are bounded, so that a file of a few bytes cannot ask for
the whole memory.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import yaml

from ..configuration import PLAIN_TAGS
from ..errors import ArtifactError

MOST_BYTES = 1 << 20
MOST_VALUES = 200_000
MOST_DEPTH = 64

_PLAIN = 'tag:yaml.org,2002:'
_PYTHON_TUPLE = _PLAIN + 'python/tuple'
_INTEGER = re.compile(r'[-+]?[0-9]+')
_FLOAT = re.compile(r'[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?')
_SPECIAL = re.compile(r'([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)')
_WORDS = {
    **dict.fromkeys(('', '~', 'null', 'Null', 'NULL')),
    **dict.fromkeys(('true', 'True', 'TRUE'), True),
    **dict.fromkeys(('false', 'False', 'FALSE'), False),
}


@dataclasses.dataclass(frozen=True)
class Tagged:
    """
    A value with a tag that asks for an object of some program; only its data is here.

    :param tag: the tag, for instance ``tag:yaml.org,2002:python/object/apply:builtins.slice``.
    :param value: the plain data under it.
    """

    tag: str
    value: Any

    def __str__(self) -> str:
        """Return the tag as files write it."""
        return '!!' + self.tag.removeprefix(_PLAIN) if self.tag.startswith(_PLAIN) else self.tag


def read_yaml(data: bytes, file: str) -> Any:
    """
    Return a YAML document as mappings, lists, texts, numbers, true, false, None and Tagged.

    :param data: the file.
    :param file: its name, for errors.
    :raises ArtifactError: it is no YAML, more than one document, or beyond the limits.
    """
    text = _text(data, file)
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            return None
        return _Values(file).value(node, 0)
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        what = ' '.join(filter(None, (problem.context, problem.problem)))
        raise ArtifactError(f'{file}:{line}: not valid YAML: {what}') from problem
    except yaml.YAMLError as problem:
        raise ArtifactError(f'{file}: not valid YAML: {problem}') from problem
    except RecursionError as problem:
        raise ArtifactError(f'{file}: is nested too deeply') from problem


def read_json(data: bytes, file: str, most_bytes: int = MOST_BYTES) -> Any:
    """
    Return a JSON document as plain data.

    :param data: the file.
    :param file: its name, for errors.
    :param most_bytes: how large it may be.
    :raises ArtifactError: it is no JSON, has a key twice, or is beyond the limits.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ArtifactError(f'{file}: has a key twice among {sorted(found)[:12]}')
        return found

    try:
        return json.loads(_text(data, file, most_bytes), object_pairs_hook=once)
    except RecursionError as problem:
        raise ArtifactError(f'{file}: is nested too deeply') from problem
    except ValueError as problem:
        raise ArtifactError(f'{file}: not valid JSON: {problem}') from problem


def scalar(text: str) -> Any:
    """Return what a plain YAML scalar stands for: None, true, false, a number, or the text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) < 100:
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    special = _SPECIAL.fullmatch(text)
    if special is None:
        return text
    return float('nan') if special[3] else float(f'{special[1]}inf')


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """Composes nodes, and stops at the depth limit before Python's own stack does."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth = getattr(self, 'depth', 0) + 1
        if self.depth > 2 * MOST_DEPTH:
            raise yaml.YAMLError(f'it is nested more than {MOST_DEPTH} deep')
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Values:
    """Turns nodes into values and counts them."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0

    def value(self, node: yaml.Node, depth: int) -> Any:
        self._count += 1
        if self._count > MOST_VALUES:
            self._refuse(node, f'holds more than {MOST_VALUES} values, aliases counted')
        if depth > MOST_DEPTH:
            self._refuse(node, f'is nested more than {MOST_DEPTH} deep')
        plain = self._plain(node, depth)
        if node.tag in PLAIN_TAGS or node.tag == _PYTHON_TUPLE:
            return plain
        return Tagged(node.tag, plain)

    def _plain(self, node: yaml.Node, depth: int) -> Any:
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        return scalar(node.value) if node.style is None else node.value

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, 'has a list or a mapping as a key')
            if key_node.value == '<<' and key_node.style is None:
                self._refuse(key_node, 'merges mappings (<<), which is not read here')
            if key_node.value in found:
                self._refuse(key_node, f'has the key {key_node.value} twice')
            found[key_node.value] = self.value(value_node, depth + 1)
        return found

    def _refuse(self, node: yaml.Node, what: str) -> None:
        raise ArtifactError(f'{self._file}:{node.start_mark.line + 1}: {what}')


def _text(data: bytes, file: str, most_bytes: int = MOST_BYTES) -> str:
    if len(data) > most_bytes:
        raise ArtifactError(f'{file}: {len(data)} bytes, expected at most {most_bytes}')
    try:
        return data.decode('utf-8-sig')
    except UnicodeDecodeError as problem:
        raise ArtifactError(f'{file}: is not UTF-8 text') from problem

"""
Message types by name, and the CDR coding of each, made when it is first needed.

The common interfaces are some 160 types, of which a session uses a dozen, and a dozen functions
belong to each of them, of which it uses one or two: making them all was a sixth of a start.
"""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.serde.cdr import (
    generate_deserialize_cdr,
    generate_getsize_cdr,
    generate_serialize_cdr,
)
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.base import normalize_fieldname
from rosbags.typesys.store import Typestore

from ..errors import MessageError

_OF_AN_EMPTY_MESSAGE = ('structure_needs_at_least_one_member', (Nodetype.BASE, ('uint8', 0)))


class CdrCoding:
    """
    The CDR coding of one message type, as ``Typestore`` asks for it.

    :param fields: names and types of the fields.
    :param cls: the class of its messages.
    :param types: where other types are looked up.
    """

    def __init__(self, fields: Any, cls: type[Any], types: Typestore) -> None:
        self.fields = fields
        self.cls = cls
        self._types = types

    @functools.cached_property
    def _sizes(self) -> tuple[Any, int]:
        return generate_getsize_cdr(self.fields, self._types)

    @property
    def getsize_cdr(self) -> Any:
        """Return what computes the size of a message."""
        return self._sizes[0]

    @property
    def size_cdr(self) -> int:
        """Return the size of every message; 0 where it depends on the message."""
        return self._sizes[1]

    @functools.cached_property
    def serialize_cdr_le(self) -> Any:
        """Return what writes a message, little endian."""
        return generate_serialize_cdr(self.fields, self._types, 'le')

    @functools.cached_property
    def serialize_cdr_be(self) -> Any:
        """Return what writes a message, big endian."""
        return generate_serialize_cdr(self.fields, self._types, 'be')

    @functools.cached_property
    def deserialize_cdr_le(self) -> Any:
        """Return what reads a message, little endian."""
        return generate_deserialize_cdr(self.fields, self._types, 'le')

    @functools.cached_property
    def deserialize_cdr_be(self) -> Any:
        """Return what reads a message, big endian."""
        return generate_deserialize_cdr(self.fields, self._types, 'be')


class MessageTypes(Typestore):
    """Message types that are registered or looked up; none at the beginning."""

    cache: Any

    def get_msgdef(self, typename: str) -> Any:
        """Return the coding of a type that is known."""
        coding = self.cache.get(typename)
        if coding is None:
            fields = [
                (normalize_fieldname(name), described)
                for name, described in self.fielddefs[typename][1]
            ]
            coding = self.cache[typename] = CdrCoding(fields, self.types[typename], self)
        return coding

    def register(self, typs: Any) -> None:
        """
        Make types known by their fields.

        :raises TypesysError: one is known already, with other fields.
        """
        super().register(
            {
                name: (constants, fields or [_OF_AN_EMPTY_MESSAGE])
                for name, (constants, fields) in typs.items()
            }
        )

    def look_up(self, name: str) -> None:
        """
        Make a type, and all that it is made of, known as the sourced environment defines it.

        What is not there is taken from the common interfaces of Jazzy.

        :raises MessageError: the name is malformed, or there is no definition.
        """
        if name in self.fielddefs:
            return
        parts = name.split('/')
        if len(parts) != 3 or parts[1] != 'msg':
            raise MessageError(
                f'{name!r} is not a message type: write it as package/msg/Name, '
                'for instance sensor_msgs/msg/JointState'
            )
        for folder in _definition_folders(parts[0]):
            file = folder / f'{parts[2]}.msg'
            if file.is_file():
                found = get_types_from_msg(file.read_text(encoding='utf-8'), name)
                self.register(found)
                break
        else:
            self._take_from_jazzy(name, *parts[::2])
        for _, described in self.fielddefs[name][1]:
            for used in _made_of(described):
                self.look_up(used)

    def undefined(self) -> Iterator[tuple[str, str]]:
        """Yield each known type with a type that it is made of and that is not known."""
        for name, (_, fields) in self.fielddefs.items():
            for _, described in fields:
                for used in _made_of(described):
                    if used not in self.fielddefs:
                        yield name, used

    def _take_from_jazzy(self, name: str, package: str, kind: str) -> None:
        known = common_interfaces()
        if name not in known.fielddefs:
            raise MessageError(
                f'message type {name} is unknown: no {package}/msg/{kind}.msg in '
                'AMENT_PREFIX_PATH. Source the workspace that has it'
            )
        self.fielddefs[name], self.types[name] = known.fielddefs[name], known.types[name]


def _made_of(field: Any) -> Iterator[str]:
    """Yield the message type that a field is, or is an array of."""
    kind, detail = field
    if int(kind) == 2:  # a message type by name
        yield detail
    elif int(kind) > 2:  # an array or a sequence of something
        yield from _made_of(detail[0])


def common_interfaces() -> Typestore:
    """Return the common interfaces of Jazzy, which are there without ROS."""
    return get_typestore(Stores.ROS2_JAZZY)


def _definition_folders(package: str) -> list[pathlib.Path]:
    """Return where the ``.msg`` files of a package may lie, the sourced environment first."""
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    folders = [pathlib.Path(prefix) / 'share' / package / 'msg' for prefix in prefixes if prefix]
    checkout = pathlib.Path(__file__).resolve().parents[2]
    return [*folders, checkout / package / 'msg']

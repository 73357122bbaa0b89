"""Data that nobody changes once it is made, for what is made at every tick."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

Kind = TypeVar('Kind')

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    @dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
    def immutable(kind: type[Kind]) -> type[Kind]:
        """Return the dataclass; see below."""
        ...

else:

    def immutable(kind: Any) -> Any:
        """
        Make a dataclass with slots that the type checker, and only it, keeps from being changed.

        A frozen one takes five times as long to be made, since each field goes around its own
        lock; a tick makes two dozen, of a hundred fields in all. That no tick changes what it was
        given is shown by a test.

        Those that every tick makes are given their fields by place: by keyword it takes up to
        three times as long.

        :param kind: the class with its fields.
        """
        return dataclasses.dataclass(slots=True)(kind)

"""Every number of every common message can be commanded and read again by its path."""

import numpy as np
import pytest

from fournex_runtime.pipeline.field_commands import Template
from fournex_runtime.pipeline.field_path import NUMBERS, field_getter, field_path
from fournex_runtime.pipeline.message_types import common_interfaces
from fournex_runtime.pipeline.messages import messages

DEPTH = 5


def paths(kind, prefix='', depth=0):
    """Yield the path of every field that is made of numbers; the second element of sequences."""
    messages().ensure(kind)
    for name, (node, detail) in messages().typestore.fielddefs[kind][1]:
        many, length = int(node) > 2, 0
        if many:
            (node, detail), length = detail[0], detail[1]
        path = f'{prefix}{name}'
        if int(node) == 1:
            if detail[0] in NUMBERS:
                yield path
                if many and length != 1:
                    yield f'{path}[1]'
        elif depth < DEPTH:
            step = f'{path}[{0 if length == 1 else 1}].' if many else f'{path}.'
            yield from paths(detail, step, depth + 1)


def value_for(path):
    """Return a value that the field holds, and that is not what it holds by itself."""
    one = True if path.dtype == 'bool' else 3
    if not path.many:
        return float(one) if path.dtype.startswith('float') else one
    return np.full(path.length or path.bound or 2, one, path.dtype)


KINDS = sorted(
    kind
    for kind in common_interfaces().fielddefs
    if kind.split('/')[0].endswith('_msgs') and kind.split('/')[0] != 'fournex_msgs'
)


@pytest.mark.parametrize('package', sorted({kind.split('/')[0] for kind in KINDS}))
def test_what_is_put_at_a_path_is_found_there(package):
    for kind in KINDS:
        if kind.split('/')[0] != package:
            continue
        for path in paths(kind):
            if path.startswith('header.') and messages().has_header(kind):
                continue  # the runtime's
            checked = field_path(messages(), kind, path).numbers()
            template = Template(kind, messages())
            value = value_for(checked)
            template.place(path)(value)
            data = messages().encode(template.message, kind)
            found = field_getter(path)(messages().decode(data, kind))
            assert np.array_equal(found, value), (kind, path)

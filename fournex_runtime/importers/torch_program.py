"""
TorchScript archives and ``torch.export`` programs, read as the zip archives that they are.

Both are programs; none of it is run here. A TorchScript archive (``torch/csrc/jit/serialization``)
holds the attributes of its module as a pickle, which is read as data, and its code as text, which
names the arguments of ``forward``. A ``.pt2`` archive (``torch/_export/serde/schema.py``) holds
its graph as JSON, shapes and dtypes included.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

from ..errors import ArtifactError
from ..policy.sb3.inert_pickle import Record, Vocabulary, read_pickle
from .foreign import Foreign
from .foreign_data import read_json
from .source_file import SourceFile

BUFFERS = {'hidden_state': 'h', 'cell_state': 'c'}
"""Buffers in which exported recurrent policies remember, and what their state is called."""

_MODEL_JSON = ('models/model.json', 'serialized_exported_program.json')
_MOST_JSON = 64 << 20
_DTYPES = {1: 'uint8', 5: 'int64', 7: 'float32', 8: 'float64'}
_CLASS = re.compile(rb'^class (\w+)\(', re.MULTILINE)
_FORWARD = re.compile(
    r'^  def forward\(self: [\w.]+,?(.*?)\) -> (.*?):$', re.MULTILINE | re.DOTALL
)
_VOCABULARY = Vocabulary(
    types=frozenset({'torch.*'}),
    makers=frozenset(
        {
            'torch._utils._rebuild_tensor_v2',
            'torch._utils._rebuild_parameter',
            'torch.jit._pickle.restore_type_tag',
            'torch.jit._pickle.build_tensorlist',
            'torch.jit._pickle.build_intlist',
            'torch.jit._pickle.build_boollist',
            'torch.jit._pickle.build_doublelist',
            'collections.OrderedDict',
        }
    ),
)


@dataclasses.dataclass(frozen=True)
class Tensor:
    """
    An argument or a result.

    :param name: its name; empty for results that have none.
    :param shape: length along each axis, an open one 1; None where only running it would tell.
    :param dtype: numpy's name of its element type; empty likewise.
    """

    name: str
    shape: tuple[int, ...] | None = None
    dtype: str = ''


@dataclasses.dataclass(frozen=True)
class TorchProgram:
    """
    What a program takes, gives and remembers.

    :param arguments: what it takes, by position.
    :param results: what it gives, tuples taken apart.
    :param buffers: shape of each buffer in which a policy remembers, by name.
    """

    arguments: tuple[Tensor, ...]
    results: tuple[Tensor, ...]
    buffers: Mapping[str, tuple[int, ...]]


def is_torchscript(file: SourceFile) -> bool:
    """Return whether a file is a TorchScript archive, by the names of its members."""
    return {'constants.pkl', 'data.pkl'} <= _members(file)


def is_torch_export(file: SourceFile) -> bool:
    """Return whether a file is a torch.export program, by the names of its members."""
    return _model_json(file) != ''


def read_torchscript(file: SourceFile) -> TorchProgram:
    """
    Read a TorchScript archive.

    :raises ArtifactError: it is damaged, or ``forward`` takes or gives other things than tensors.
    """
    member = next(name for name in file.zip_names if name.split('/')[1:] == ['data.pkl'])
    where = f'{file.path}: {member}'
    found = read_pickle(file.zip[member], _module_names(file), where)
    attributes = found.state if isinstance(found, Record) else None
    if not isinstance(found, Record) or not isinstance(attributes, dict):
        raise ArtifactError(f'{where}: expected a module with its attributes')
    buffers = {}
    for buffer in BUFFERS:
        tensor = attributes.get(buffer)
        shape = tensor.arguments[2] if isinstance(tensor, Record) else None
        if isinstance(shape, tuple) and all(isinstance(length, int) for length in shape):
            buffers[buffer] = shape
    arguments, results = _signature(file, member.split('/')[0], str(found.made_by))
    return TorchProgram(arguments, results, buffers)


def read_torch_export(file: SourceFile) -> TorchProgram:
    """
    Read a torch.export program.

    :raises ArtifactError: it is damaged, or takes or gives other things than tensors.
    """
    member = _model_json(file)
    data = file.zip[member]
    tree = Foreign(read_json(data, f'{file.path}: {member}', _MOST_JSON), str(file.path))
    module = tree['graph_module']
    values, signature = module['graph']['tensor_values'], module['signature']
    arguments, buffers = [], {}
    for one in signature['input_specs'].items():
        if 'user_input' in one:
            arguments.append(_tensor(one['user_input']['arg'], values))
        elif 'buffer' in one and one['buffer']['buffer_name'].text() in BUFFERS:
            name = one['buffer']['buffer_name'].text()
            buffers[name] = _shape(values[one['buffer']['arg']['name'].text()])
    results = [
        dataclasses.replace(_tensor(one['user_output']['arg'], values), name='')
        for one in signature['output_specs'].items()
        if 'user_output' in one
    ]
    return TorchProgram(tuple(arguments), tuple(results), buffers)


def _members(file: SourceFile) -> set[str]:
    """Return the names of an archive's members within its one folder."""
    folders = {name.partition('/')[0] for name in file.zip_names}
    return {name.partition('/')[2] for name in file.zip_names} if len(folders) == 1 else set()


def _model_json(file: SourceFile) -> str:
    """Return the member that holds the graph of a torch.export program; empty if there is none."""
    for name in file.zip_names:
        if name.endswith(_MODEL_JSON):
            return name
    return ''


def _module_names(file: SourceFile) -> Vocabulary:
    """Return the names that an archive may use: torch's own, and the classes of its modules."""
    classes = {
        f'{name.split("/code/", 1)[1].removesuffix(".py").replace("/", ".")}.{found.decode()}'
        for name in file.zip_names
        if '/code/' in name and name.endswith('.py')
        for found in _CLASS.findall(file.zip[name])
    }
    return Vocabulary(_VOCABULARY.types, _VOCABULARY.makers | classes)


def _signature(
    file: SourceFile, folder: str, module: str
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return what ``forward`` of the archive's module takes and gives, from the code's text."""
    package, _, name = module.rpartition('.')
    member = f'{folder}/code/{package.replace(".", "/")}.py'
    text = file.zip[member].decode(errors='replace')
    begin = text.find(f'class {name}(')
    end = text.find('\nclass ', begin + 1)
    found = _FORWARD.search(text[begin : end if end > 0 else len(text)])
    if begin < 0 or found is None:
        raise ArtifactError(f'{file.path}: {member}: has no forward() of {module}')
    arguments = []
    for part in _split(found[1]):
        argument, _, kind = (word.strip() for word in part.partition(':'))
        kind, _, default = (word.strip() for word in kind.partition('='))
        if default:
            continue
        if kind != 'Tensor':
            raise ArtifactError(
                f'{file.path}: argument {argument} of forward() is a {kind}; expected a Tensor. '
                'Export a wrapper that takes tensors one by one'
            )
        arguments.append(Tensor(argument))
    gives = found[2].strip()
    if not re.fullmatch(r'[\s,\[\]]*', re.sub(r'\b(Tuple|Tensor)\b', '', gives)):
        raise ArtifactError(
            f'{file.path}: forward() returns {gives}; expected tensors, or tuples of them. Export '
            'a wrapper that returns the action'
        )
    return tuple(arguments), (Tensor(''),) * len(re.findall(r'\bTensor\b', gives))


def _split(text: str) -> Iterator[str]:
    """Return the parts between the commas that are outside of brackets."""
    depth, begin = 0, 0
    for position, character in enumerate(text):
        depth += (character in '[(') - (character in '])')
        if character == ',' and depth == 0:
            yield text[begin:position]
            begin = position + 1
    if text[begin:].strip():
        yield text[begin:]


def _tensor(argument: Foreign, values: Foreign) -> Tensor:
    name = argument['as_tensor']['name'].text()
    value = values[name]
    code = value['dtype'].whole()
    if code not in _DTYPES:
        raise value['dtype'].problem(f'one of {_DTYPES}')
    return Tensor(name, _shape(value), _DTYPES[code])


def _shape(value: Foreign) -> tuple[int, ...]:
    """Return a shape; an axis whose length is open (the batch) counts as 1."""
    return tuple(one['as_int'].whole() if 'as_int' in one else 1 for one in value['sizes'].items())

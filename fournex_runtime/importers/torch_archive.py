"""
TorchScript and torch.export programs: what can be read without running them, and questions.

A program is never run here; a session does it, in a worker process, which compares it with the
contract. Buffers ``hidden_state`` and ``cell_state``, as the exporters of rsl_rl and Isaac Lab
make them, become state of the session, and so do arguments such as ``h_in``.
"""

from __future__ import annotations

import functools
from typing import Any

from ..errors import ArtifactError
from ..policy.backend import ArraySpec
from .array_questions import Arrays, ask_arrays, ask_poses
from .array_terms import free_array
from .draft import Draft
from .identity import ask_identity, ask_period
from .questions import Expected, Question, choice, lengths
from .recognise import Importer, Match
from .source_file import SourceFile
from .statistics_file import take_statistics
from .torch_program import (
    BUFFERS,
    Tensor,
    TorchProgram,
    is_torch_export,
    is_torchscript,
    read_torch_export,
    read_torchscript,
)

_IN, _OUT = '_in', '_out'
_ACTIONS = (
    'scale and offset are what the environment does to the result of this program: leave them out '
    'only where the program does it, or nobody does. clip: what limits the result before that'
)
_TERMS = (
    'the terms in the order of the tensor, as docs/contract.md has them; its size is that of the '
    'terms. Order, joints, scale and what is relative to what are those of the training'
)
_NORMALISER = Question(
    'normaliser',
    'where observations are normalised by statistics of training',
    choice('in_network', 'nowhere'),
    'exporters of rsl_rl and Isaac Lab put it into the program. Statistics of a VecNormalize in a '
    'file of its own: give the file with --also',
)


def _claims(file: SourceFile) -> str:
    if is_torchscript(file):
        return 'a TorchScript archive: a zip with data.pkl, constants.pkl and code'
    return 'a torch.export program: a zip with its graph as JSON' if is_torch_export(file) else ''


def _draft(match: Match, draft: Draft) -> None:
    backend = 'torchscript' if is_torchscript(match.file) else 'torch_export'
    read = read_torchscript if backend == 'torchscript' else read_torch_export
    program = match.file.once(read)
    ask_identity(draft, match)
    ask_period(draft, 'the time between two actions')
    takes = [one for one in program.arguments if not one.name.endswith(_IN)]
    memory = [one for one in program.arguments if one.name.endswith(_IN)]
    gives = _named(program, len(memory), match.file)
    known = backend == 'torch_export'
    arrays = _known_arrays(draft, takes, gives) if known else _free_arrays(draft, takes, gives)
    ask_poses(draft, arrays)
    draft.tree['inputs'] = dict(arrays.inputs)
    draft.tree['outputs'] = dict(arrays.outputs)
    state = _state(draft, program, memory, match.file)
    if state:
        draft.tree['state'] = state
    inputs = [ArraySpec(one.name, one.shape or (), one.dtype) for one in takes]
    take_statistics(match, draft, inputs, _NORMALISER, ())
    draft.notes.append('it is a program: it is run only with --run-program, and by sessions')
    suffix = 'pt' if backend == 'torchscript' else 'pt2'
    draft.set_artifact(f'policy.{suffix}', match.file.data, backend, match.file)


def _named(program: TorchProgram, states: int, file: SourceFile) -> list[Tensor]:
    """Return the results that are actions, with names: states stand behind them."""
    count = len(program.results) - states
    if count < 1 or not program.arguments:
        raise ArtifactError(
            f'{file.path}: takes {len(program.arguments)} tensors, {states} of them recurrent '
            f'state, and gives {len(program.results)}; expected an observation, an action, and '
            'the next state of each'
        )
    names = ['actions', *(f'output_{index}' for index in range(1, count))]
    return [Tensor(name, one.shape, one.dtype) for name, one in zip(names, program.results)]


def _known_arrays(draft: Draft, takes: list[Tensor], gives: list[Tensor]) -> Arrays:
    return ask_arrays(
        draft,
        [ArraySpec(one.name, one.shape or (), one.dtype) for one in takes],
        [ArraySpec(one.name, one.shape or (), one.dtype) for one in gives],
        why=_ACTIONS,
    )


def _free_arrays(draft: Draft, takes: list[Tensor], gives: list[Tensor]) -> Arrays:
    """Ask for terms of tensors whose sizes only running the program would tell."""

    def ask(side: str, tensor: Tensor, why: str, example: str) -> Any:
        observed = side == 'inputs'
        what = 'are' if observed else 'command'
        kind = 'observation' if observed else 'action'
        read = functools.partial(free_array, observed=observed)
        return draft.ask(
            Question(
                f'{side}.{tensor.name}',
                f'what the values of {tensor.name} {what}',
                Expected(f'a list of {kind} terms', read, example),
                why,
            )
        )

    example = '[{term: joint_position, joints: [hip, knee], relative_to: default_pose}, …]'
    action = '[{term: joint_position_target, joints: [hip, knee], scale: 0.25}]'
    return Arrays(
        {one.name: ask('inputs', one, _TERMS, example) for one in takes},
        {one.name: ask('outputs', one, _ACTIONS, action) for one in gives},
    )


def _state(
    draft: Draft, program: TorchProgram, memory: list[Tensor], file: SourceFile
) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for buffer, shape in program.buffers.items():
        place = {'shape': list(shape), 'buffer': buffer, 'initial': 'zeros', 'reset': 'episode'}
        name = BUFFERS[buffer]
        where = f'{file.name}: buffer {buffer}'
        state[name] = draft.known(f'state.{name}', place, where, None, 'artifact')
    for tensor in memory:
        name = tensor.name.removesuffix(_IN)
        shape_: Any = tensor.shape
        if shape_ is None:
            shape_ = draft.ask(
                Question(
                    f'state.{name}.shape',
                    f'the shape of the recurrent state {tensor.name}, batch included',
                    lengths(),
                    'of an LSTM or GRU: [layers, 1, hidden size]',
                )
            )
        state[name] = {
            'shape': list(shape_ or ()),
            'input': tensor.name,
            'output': f'{name}{_OUT}',
            'initial': 'zeros',
            'reset': 'episode',
        }
    return state


IMPORTER = Importer(
    'torch',
    'a TorchScript archive (.pt) or a torch.export program (.pt2)',
    _claims,
    _draft,
    general=True,
)

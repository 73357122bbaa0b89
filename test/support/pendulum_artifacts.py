"""
The pendulum's trained policy as every kind of artifact. Run by the Python that has torch.

The network is put back into the ``RecurrentPPO`` that it was trained in, from the weights of
``examples/pendulum/bundle/policy.onnx``, and leaves it by each library's own exporter::

    pendulum_artifacts.py export FOLDER    policy.zip, .onnx, .pt, .pt2, buffers.pt, and chunks.pt
                                           and .pt2: not trained, but four actions at once
    pendulum_artifacts.py predict FOLDER   what predict() answers to obs.npy, as actions.npy
"""

import pathlib
import sys

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from sb3_contrib import RecurrentPPO

from examples.pendulum.env import PendulumEnv
from examples.pendulum.export import RecurrentActor, export

BUNDLE = pathlib.Path(__file__).resolve().parents[2] / 'examples' / 'pendulum' / 'bundle'
HIDDEN = 32


def trained() -> RecurrentPPO:
    """Return the model as ``examples/pendulum/train.py`` had it in the end; the critic is new."""
    kept = {
        one.name: torch.tensor(numpy_helper.to_array(one))
        for one in onnx.load(BUNDLE / 'policy.onnx').graph.initializer
    }
    model = RecurrentPPO(
        'MlpLstmPolicy',
        PendulumEnv(),
        seed=1,
        device='cpu',
        policy_kwargs={'lstm_hidden_size': HIDDEN, 'net_arch': [HIDDEN]},
    )
    (lstm,) = (
        one for one in onnx.load(BUNDLE / 'policy.onnx').graph.node if one.op_type == 'LSTM'
    )
    inputs, hidden, biases = (kept[name][0] for name in lstm.input[1:4])
    weights = {
        'lstm_actor.weight_ih_l0': as_torch_has_gates(inputs),
        'lstm_actor.weight_hh_l0': as_torch_has_gates(hidden),
        'lstm_actor.bias_ih_l0': as_torch_has_gates(biases[: 4 * HIDDEN]),
        'lstm_actor.bias_hh_l0': as_torch_has_gates(biases[4 * HIDDEN :]),
        'mlp_extractor.policy_net.0.weight': kept['mean.0.0.weight'],
        'mlp_extractor.policy_net.0.bias': kept['mean.0.0.bias'],
        'action_net.weight': kept['mean.1.weight'],
        'action_net.bias': kept['mean.1.bias'],
    }
    model.policy.load_state_dict({**model.policy.state_dict(), **weights})
    return model


def as_torch_has_gates(rows: torch.Tensor) -> torch.Tensor:
    """Return rows of input, output, forget, cell as input, forget, cell, output."""
    first, output, forget, cell = rows.split(HIDDEN)
    return torch.cat([first, forget, cell, output])


class WithBuffers(torch.nn.Module):
    """The same actor with its memory in buffers, as rsl_rl and Isaac Lab export theirs."""

    def __init__(self, model: RecurrentPPO) -> None:
        super().__init__()
        self.actor = RecurrentActor(model)
        self.register_buffer('hidden_state', torch.zeros(1, 1, HIDDEN))
        self.register_buffer('cell_state', torch.zeros(1, 1, HIDDEN))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        action, hidden, cell = self.actor(x, self.hidden_state, self.cell_state)
        self.hidden_state[:] = hidden
        self.cell_state[:] = cell
        return action

    @torch.jit.export
    def reset(self) -> None:
        self.hidden_state[:] = 0.0
        self.cell_state[:] = 0.0


class Chunks(torch.nn.Module):
    """Pushes against the pole, and less with each step of a chunk of four."""

    def __init__(self) -> None:
        super().__init__()
        gains = torch.zeros(7, 4)
        gains[0:2] = torch.outer(torch.tensor([0.5, 6.0]), torch.tensor([1.0, 0.8, 0.6, 0.4]))
        gains[2:4] = torch.outer(torch.tensor([-0.4, -4.0]), torch.tensor([1.0, 0.7, 0.4, 0.1]))
        self.register_buffer('gains', gains)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return (obs @ self.gains).reshape(-1, 4, 1)


def write(folder: pathlib.Path) -> None:
    """Write the artifacts."""
    model = trained()
    model.save(folder / 'policy.zip')
    export(model, folder / 'policy.onnx')
    actor = RecurrentActor(model).eval().requires_grad_(False)
    torch.jit.script(actor).save(str(folder / 'policy.pt'))
    with_buffers = WithBuffers(model).eval().requires_grad_(False)
    torch.jit.script(with_buffers).save(str(folder / 'buffers.pt'))
    memory = torch.zeros(1, 1, HIDDEN), torch.zeros(1, 1, HIDDEN)
    program = torch.export.export(actor, (torch.zeros(1, 2), *memory))
    torch.export.save(program, folder / 'policy.pt2')
    chunks = Chunks().eval()
    torch.jit.script(chunks).save(str(folder / 'chunks.pt'))
    torch.export.save(torch.export.export(chunks, (torch.zeros(1, 7),)), folder / 'chunks.pt2')


def predict(folder: pathlib.Path) -> None:
    """Answer one episode of observations."""
    model, state, start, found = trained(), None, np.ones(1, bool), []
    for observation in np.load(folder / 'obs.npy'):
        action, state = model.predict(observation, state, start, deterministic=True)
        start = np.zeros(1, bool)
        found.append(action)
    np.save(folder / 'actions.npy', np.stack(found))


if __name__ == '__main__':
    torch.set_num_threads(1)
    {'export': write, 'predict': predict}[sys.argv[1]](pathlib.Path(sys.argv[2]))

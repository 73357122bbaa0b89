"""
Makes the artifacts of the tests of torch's backends. Run by the Python that has torch.

``torch_artifacts.py FOLDER`` writes ``NETWORK.pt``, ``NETWORK.pt2`` and ``NETWORK.npz`` (questions
and what torch itself answers, one after the other), and some artifacts that something is wrong
with. The recurrent ones are made as rsl_rl makes them (``as_jit``).
"""

import pathlib
import sys

import numpy as np
import torch
from torch import nn

SIZE, ACTIONS, HIDDEN, QUESTIONS = 6, 2, 4, 40


class Stateless(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(SIZE, 16), nn.ELU(), nn.Linear(16, ACTIONS))

    def forward(self, obs):
        return self.layers(obs)


class Uneven(nn.Module):
    """Has rows of a length that processors do not like, so that it may matter which one it is."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(SIZE, 33), nn.ELU(), nn.Linear(33, 7), nn.ELU(), nn.Linear(7, ACTIONS)
        )

    def forward(self, obs):
        return self.layers(obs)


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(SIZE, HIDDEN, 1)
        self.head = nn.Linear(HIDDEN, ACTIONS)

    def forward(self, obs, h_in, c_in):
        x, (h, c) = self.rnn(obs.unsqueeze(0), (h_in, c_in))
        return self.head(x.squeeze(0)), (h, c)


class LstmBuffers(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(SIZE, HIDDEN, 1)
        self.head = nn.Linear(HIDDEN, ACTIONS)
        self.register_buffer('hidden_state', torch.zeros(1, 1, HIDDEN))
        self.register_buffer('cell_state', torch.zeros(1, 1, HIDDEN))

    def forward(self, x):
        x, (h, c) = self.rnn(x.unsqueeze(0), (self.hidden_state, self.cell_state))
        self.hidden_state[:] = h
        self.cell_state[:] = c
        return self.head(x.squeeze(0))

    @torch.jit.export
    def reset(self):
        self.hidden_state[:] = 0.0
        self.cell_state[:] = 0.0


class GruBuffers(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(SIZE, HIDDEN, 1)
        self.head = nn.Linear(HIDDEN, ACTIONS)
        self.register_buffer('hidden_state', torch.zeros(1, 1, HIDDEN))

    def forward(self, x):
        x, h = self.rnn(x.unsqueeze(0), self.hidden_state)
        self.hidden_state = h  # set anew, where the other writes into it
        return self.head(x.squeeze(0))

    @torch.jit.export
    def reset(self):
        self.hidden_state = torch.zeros_like(self.hidden_state)


class Drawn(Stateless):
    """Draws its actions with the noise that it is given."""

    def forward(self, obs, noise):
        return self.layers(obs) + 0.3 * noise


class Random(Stateless):
    def forward(self, obs):
        return self.layers(obs) + torch.rand(1)


class Counting(Stateless):
    """Remembers in an attribute that is no buffer."""

    def __init__(self):
        super().__init__()
        self.turn = 0.0

    def forward(self, obs):
        self.turn += 1.0
        return self.layers(obs) * self.turn


class Normalised(Stateless):
    def __init__(self):
        super().__init__()
        self.register_buffer('mean', torch.ones(1, 1, HIDDEN))
        self.register_buffer('step', torch.zeros(1))

    def forward(self, obs):
        self.step += 1.0
        return self.layers(obs) - self.mean.sum()


class Choosy(nn.Module):
    """Fails, hangs or writes a lot, when it is told so; else gives the first two values."""

    def forward(self, obs):
        if bool(obs[0, 0] > 300.0):
            raise RuntimeError('this is too much for me')
        if bool(obs[0, 0] > 200.0):
            return torch.zeros(1, 3)
        while bool(obs[0, 0] > 100.0):
            pass
        return obs[:, :2] * 2.0


class Tupled(nn.Module):
    def forward(self, obs, state: tuple[torch.Tensor, torch.Tensor]):
        return obs[:, :2], state[0], state[1]


def answers(network, asked, noise):
    """Return what a network answers to one question after the other."""
    state = (torch.zeros(1, 1, HIDDEN),) * 2
    found = []
    with torch.inference_mode():
        for one, drawn in zip(asked, noise):
            if isinstance(network, Drawn):
                action = network(one, drawn)
            elif isinstance(network, Lstm):
                action, state = network(one, *state)
            else:
                action = network(one)
            found.append(action.numpy().copy())
        if hasattr(network, 'reset'):
            network.reset()
    return np.stack(found)


def export(network, folder, name, *more):
    arguments = (torch.zeros(1, SIZE), *more)
    torch.export.save(torch.export.export(network, arguments), folder / f'{name}.pt2')


def main(folder):
    torch.manual_seed(3)
    torch.set_num_threads(1)
    memory = torch.zeros(1, 1, HIDDEN), torch.zeros(1, 1, HIDDEN)
    networks = {
        'stateless': Stateless(),
        'lstm': Lstm(),
        'lstm-buffers': LstmBuffers(),
        'gru-buffers': GruBuffers(),
        'drawn': Drawn(),
    }
    asked, noise = torch.randn(QUESTIONS, 1, SIZE), torch.randn(QUESTIONS, 1, ACTIONS)
    for name, network in networks.items():
        network.eval().requires_grad_(False)
        action = answers(network, asked, noise)
        kept = {'obs': asked.numpy(), 'noise': noise.numpy(), 'action': action}
        np.savez(folder / f'{name}.npz', **kept)
        scripted = torch.jit.script(network)
        scripted.save(folder / f'{name}.pt')
        if hasattr(scripted, 'reset'):
            with torch.no_grad():
                scripted(asked[0])
            scripted.save(folder / f'{name}-in-mid-episode.pt')
    torch.jit.script(Uneven().eval().requires_grad_(False)).save(folder / 'uneven.pt')
    rows = {0: torch.export.Dim('rows')}
    program = torch.export.export(
        networks['stateless'], (torch.zeros(4, SIZE),), dynamic_shapes=(rows,)
    )
    torch.export.save(program, folder / 'open.pt2')
    export(networks['stateless'], folder, 'stateless')
    export(networks['drawn'], folder, 'drawn', noise[0])
    export(networks['lstm'], folder, 'lstm', *memory)
    export(networks['lstm-buffers'], folder, 'lstm-buffers')
    export(networks['lstm'], folder, 'aliased', memory[0], memory[0])
    program = torch.export.export(networks['stateless'], (), kwargs={'obs': torch.zeros(1, SIZE)})
    torch.export.save(program, folder / 'keyword.pt2')
    wrong = {
        'choosy': Choosy(),
        'counting': Counting(),
        'double': Stateless().double(),
        'normalised': Normalised(),
        'random': Random(),
        'tupled': Tupled(),
    }
    for name, network in wrong.items():
        torch.jit.script(network.eval()).save(folder / f'{name}.pt')
    (folder / 'truncated.pt').write_bytes((folder / 'stateless.pt').read_bytes()[:-200])
    (folder / 'truncated.pt2').write_bytes((folder / 'stateless.pt2').read_bytes()[:-200])


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))

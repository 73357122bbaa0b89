"""
Makes a recurrent policy as legged_gym exports it. Run by the Python that has torch.

``legged_gym_lstm.py FILE SIZE ACTIONS`` writes ``FILE`` (TorchScript: ``hidden_state`` and
``cell_state`` are buffers, ``reset_memory()`` zeroes them) and ``FILE.npz``: questions, and what
it answers to them one after the other.
"""

import sys

import numpy as np
import torch
from torch import nn

HIDDEN, QUESTIONS = 8, 12


class ExportedLstm(nn.Module):
    def __init__(self, size, actions):
        super().__init__()
        self.is_recurrent = True
        self.memory = nn.LSTM(size, HIDDEN)
        self.actor = nn.Sequential(nn.Linear(HIDDEN, 8), nn.ELU(), nn.Linear(8, actions))
        self.register_buffer('hidden_state', torch.zeros(1, 1, HIDDEN))
        self.register_buffer('cell_state', torch.zeros(1, 1, HIDDEN))

    def forward(self, x):
        out, (h, c) = self.memory(x.unsqueeze(0), (self.hidden_state, self.cell_state))
        self.hidden_state[:] = h
        self.cell_state[:] = c
        return self.actor(out.squeeze(0))

    @torch.jit.export
    def reset_memory(self):
        self.hidden_state[:] = 0.0
        self.cell_state[:] = 0.0


def main(file, size, actions):
    torch.manual_seed(4)
    torch.set_num_threads(1)
    network = ExportedLstm(size, actions).eval().requires_grad_(False)
    torch.jit.script(network).save(file)
    asked = torch.randn(QUESTIONS, 1, size)
    with torch.inference_mode():
        answered = np.stack([network(one).numpy()[0] for one in asked])
    np.savez(f'{file}.npz', asked=asked.numpy()[:, 0], answered=answered)


if __name__ == '__main__':
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

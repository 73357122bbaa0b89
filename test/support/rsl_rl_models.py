"""
The policies of rsl_rl and what it exports of them: of the library, where it is installed.

Where it is not, modules of the same structure as those of its version 5.5: a normaliser, an LSTM,
a GRU or neither, layers; ``as_jit()`` has the memory in buffers, ``as_onnx()`` as arguments.
"""

import torch
from torch import nn

try:
    import importlib.metadata

    from rsl_rl.models import MLPModel, RNNModel
    from tensordict import TensorDict

    VERSION = importlib.metadata.version('rsl-rl-lib')
except ImportError:
    VERSION = ''

HIDDEN, LAYERS, UNITS = 8, 2, (16, 8)


def make(kind: str, size: int, actions: int) -> nn.Module:
    """Return a model of kind ``mlp``, ``lstm`` or ``gru`` with a normaliser that has seen some."""
    model = _of_library(kind, size, actions) if VERSION else Model(kind, size, actions)
    normaliser = model.obs_normalizer
    normaliser._mean.copy_(torch.randn(1, size))
    normaliser._var.copy_(torch.rand(1, size) + 0.1)
    normaliser._std.copy_(normaliser._var.sqrt())
    return model.eval().requires_grad_(False)


def _of_library(kind: str, size: int, actions: int) -> nn.Module:
    seen, groups = TensorDict({'policy': torch.zeros(1, size)}, [1]), {'actor': ['policy']}
    common = (seen, groups, 'actor', actions, UNITS, 'elu', True)
    if kind == 'mlp':
        return MLPModel(*common)
    return RNNModel(*common, None, kind, HIDDEN, LAYERS)


def ask(model: nn.Module, observation: torch.Tensor) -> torch.Tensor:
    """Return what the model itself answers, which it remembers."""
    return model(TensorDict({'policy': observation}, [1]) if VERSION else observation)


class Normaliser(nn.Module):
    """As ``EmpiricalNormalization``: what it learned is in buffers."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.eps = 1e-2
        for name, value in (('_mean', 0.0), ('_var', 1.0), ('_std', 1.0)):
            self.register_buffer(name, torch.full((1, size), value))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self._mean) / (self._std + self.eps)


class Model(nn.Module):
    """A policy that remembers in a plain attribute, as in training."""

    def __init__(self, kind: str, size: int, actions: int) -> None:
        super().__init__()
        self.kind, self.size = kind, size
        self.obs_normalizer = Normaliser(size)
        self.rnn = None
        if kind != 'mlp':
            self.rnn = {'lstm': nn.LSTM, 'gru': nn.GRU}[kind](size, HIDDEN, LAYERS)
        first, second = UNITS
        self.mlp = nn.Sequential(
            nn.Linear(size if kind == 'mlp' else HIDDEN, first),
            nn.ELU(),
            nn.Linear(first, second),
            nn.ELU(),
            nn.Linear(second, actions),
        )
        self.hidden_state = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.obs_normalizer(x)
        if self.rnn is not None:
            x, self.hidden_state = self.rnn(x.unsqueeze(0), self.hidden_state)
            x = x.squeeze(0)
        return self.mlp(x)

    def reset(self) -> None:
        self.hidden_state = None

    def as_jit(self) -> nn.Module:
        kinds = {'mlp': Plain, 'lstm': LstmInBuffers, 'gru': GruInBuffers}
        return kinds[self.kind](self)

    def as_onnx(self, verbose: bool = False) -> nn.Module:
        return {'mlp': Plain, 'lstm': LstmPassed, 'gru': GruPassed}[self.kind](self)


class Plain(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.obs_normalizer, self.mlp = model.obs_normalizer, model.mlp
        if model.rnn is not None:
            self.rnn = model.rnn

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mlp(self.obs_normalizer(x))


class LstmInBuffers(Plain):
    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.register_buffer('hidden_state', torch.zeros(LAYERS, 1, HIDDEN))
        self.register_buffer('cell_state', torch.zeros(LAYERS, 1, HIDDEN))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.obs_normalizer(x)
        x, (h, c) = self.rnn(x.unsqueeze(0), (self.hidden_state, self.cell_state))
        self.hidden_state[:] = h
        self.cell_state[:] = c
        return self.mlp(x.squeeze(0))

    @torch.jit.export
    def reset(self) -> None:
        self.hidden_state[:] = 0.0
        self.cell_state[:] = 0.0


class GruInBuffers(Plain):
    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.register_buffer('hidden_state', torch.zeros(LAYERS, 1, HIDDEN))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.obs_normalizer(x)
        x, h = self.rnn(x.unsqueeze(0), self.hidden_state)
        self.hidden_state[:] = h
        return self.mlp(x.squeeze(0))

    @torch.jit.export
    def reset(self) -> None:
        self.hidden_state[:] = 0.0


class LstmPassed(Plain):
    def forward(
        self, obs: torch.Tensor, h_in: torch.Tensor, c_in: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x, (h, c) = self.rnn(self.obs_normalizer(obs).unsqueeze(0), (h_in, c_in))
        return self.mlp(x.squeeze(0)), h, c


class GruPassed(Plain):
    def forward(self, obs: torch.Tensor, h_in: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, h = self.rnn(self.obs_normalizer(obs).unsqueeze(0), h_in)
        return self.mlp(x.squeeze(0)), h

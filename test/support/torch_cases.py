"""
What is compared with the training library: policies, and the artifacts that are made of them.

Without torch: the side that has it (``torch_reference.py``) and the side that has not both read
this table.
"""

from __future__ import annotations

import dataclasses

OBSERVATIONS = 1000
EPISODE_STARTS = 0.05
"""How often an episode begins, as a part of the observations."""
FILES = {'onnx': 'policy.onnx', 'torchscript': 'policy.pt', 'torch_export': 'policy.pt2'}


@dataclasses.dataclass(frozen=True)
class Policy:
    """
    One policy.

    :param library: what it comes from.
    :param name: for the table and for test output.
    :param steps: how long it is trained; 0 for one as it is initialised.
    """

    library: str
    name: str
    steps: int = 0

    @property
    def is_recurrent(self) -> bool:
        """Return whether it has a state."""
        return 'LSTM' in self.name or 'GRU' in self.name


SB3, CONTRIB, RSL = 'Stable-Baselines3', 'sb3-contrib', 'rsl_rl'
POLICIES = (
    Policy(SB3, 'PPO, clipped', 2048),
    Policy(SB3, 'PPO, VecNormalize by the contract', 2048),
    Policy(SB3, 'PPO, VecNormalize in the network', 2048),
    Policy(SB3, 'SAC, spread over the action space', 600),
    Policy(SB3, 'SAC, VecNormalize by the contract'),
    Policy(SB3, 'DQN, choices'),
    Policy(SB3, 'PPO with a CNN, image transposed'),
    Policy(CONTRIB, 'RecurrentPPO, LSTM, state passed', 512),
    Policy(CONTRIB, 'RecurrentPPO, LSTM of two layers, state in buffers, VecNormalize'),
    Policy(RSL, 'MLP, normaliser in the network'),
    Policy(RSL, 'LSTM of two layers, normaliser in the network'),
    Policy(RSL, 'GRU of two layers, normaliser in the network'),
)


@dataclasses.dataclass(frozen=True)
class Case:
    """A policy as one kind of artifact."""

    policy: Policy
    backend: str

    @property
    def name(self) -> str:
        """Return a name for test output."""
        return f'{self.backend}: {self.policy.library} {self.policy.name}'


CASES = tuple(Case(policy, backend) for policy in POLICIES for backend in FILES)

"""
The contract: what a policy was trained to see and to do (``policy.yaml``).

It belongs to the policy and knows no topic. Every observation value passes, in this order,

    ``value - relative_to  →  clip  →  scale  →  history  →  normalisation``

(the order of Isaac Lab's observation manager), in float64, and is cast to the artifact's dtype at
the end. Every action value passes ``clip → * scale → + offset``.
"""

from __future__ import annotations

import pathlib

from ..configuration import parse, read_text
from ..errors import ContractError
from .contract_reader import ContractReader
from .contract_types import (
    ArrayLayout,
    Artifact,
    CardFile,
    Chunk,
    Contract,
    Fact,
    Gains,
    Normalisation,
    RecurrentState,
    Term,
)

__all__ = [
    'ArrayLayout',
    'Artifact',
    'CardFile',
    'Chunk',
    'Contract',
    'Fact',
    'Gains',
    'Normalisation',
    'RecurrentState',
    'Term',
    'load_contract',
    'parse_contract',
]


def load_contract(file: pathlib.Path) -> Contract:
    """
    Read a contract file.

    :raises ContractError: it cannot be read or is not valid.
    """
    return parse_contract(read_text(file, ContractError), str(file))


def parse_contract(text: str, file: str = 'policy.yaml') -> Contract:
    """
    Read a contract from its text, for instance from the manifest of a recording.

    :raises ContractError: it is not valid.
    """
    return ContractReader(parse(text, file, ContractError), text).contract()

"""
What a package imports to add kinds of observation terms; see docs/custom-terms.md.

Everything here keeps its meaning from one minor version to the next.
"""

from .errors import MessageError
from .pipeline.transforms import Frames
from .policy.contract_types import Term
from .policy.observation_term import ObservationTerm
from .policy.options import (
    Option,
    choice,
    duration,
    names,
    number,
    optional,
    positive,
    row,
    subset,
    text,
    whole,
)
from .policy.term_kinds import Options

__all__ = [
    'Frames',
    'MessageError',
    'ObservationTerm',
    'Option',
    'Options',
    'Term',
    'choice',
    'duration',
    'names',
    'number',
    'optional',
    'positive',
    'row',
    'subset',
    'text',
    'whole',
]

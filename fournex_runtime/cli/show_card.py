"""A model card as text: task, training, limits, evaluation, approval."""

from __future__ import annotations

from ..policy.bundle import Bundle
from ..policy.card import ModelCard, approval_hash
from .table import facts, table


def show_card(bundle: Bundle) -> str:
    """Return the model card of a bundle; empty without one."""
    card = bundle.card
    if card is None:
        return ''
    return '\n'.join(['model card', *_lines(bundle, card)])


def _lines(bundle: Bundle, card: ModelCard) -> list[str]:
    training = card.tree().get('training', {})
    pairs = [('task', card.task)]
    pairs += [(key, str(value)) for key, value in training.items()]
    pairs += [('limits' if index == 0 else '', one) for index, one in enumerate(card.limits)]
    approved = f'NOBODY; to approve: sha256 {approval_hash(bundle.contract)}'
    pairs.append(('approved by', approved if card.approved is None else str(card.approved)))
    lines = [f'  {line}' for line in facts(pairs).splitlines()]
    if card.evaluation:
        rows = [(one.how, one.where, one.outcome, str(one.date or '')) for one in card.evaluation]
        lines.append(table(('evaluation', 'where', 'came of it', 'date'), rows))
    return lines

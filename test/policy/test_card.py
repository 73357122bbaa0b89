"""Model cards: read strictly, under the bundle's hash, and an approval is of one content."""

import datetime
import hashlib

import pytest
from tiny_session import CONTRACT, edited

from fournex_runtime.errors import BundleError, ContractError
from fournex_runtime.policy.bundle import approve_bundle, load_bundle, seal_bundle
from fournex_runtime.policy.card import approval_hash, parse_card
from fournex_runtime.policy.registry import Registry

ZEROS = '0' * 64
CARD = f"""\
task: 'brings two joints to rest: nothing else'
training:
  algorithm: PPO (Stable-Baselines3 2.9.2)
  script: train.py
  run: https://example.org/runs/17
  data: simulation, MuJoCo 3.17
  steps: 400000
  seed: 7
  date: 2026-11-20
limits:
  - not with a payload
  - below 2 rad/s
evaluation:
  - {{how: fournex evaluate, where: simulation, episodes: 100, successes: 94, date: 2026-11-20}}
  - {{how: an afternoon in the lab, where: robot, result: 'twelve runs, no contact'}}
approved: {{by: 'A. Person', date: 2026-11-21, sha256: {ZEROS}, note: lab only}}
"""
TODAY = datetime.date(2026, 11, 21)


def test_a_whole_one():
    card = parse_card(CARD)
    assert card.task == 'brings two joints to rest: nothing else'
    assert card.training.steps == 400_000 and card.training.date == datetime.date(2026, 11, 20)
    assert card.limits == ('not with a payload', 'below 2 rad/s')
    assert [one.outcome for one in card.evaluation] == ['94 of 100', 'twelve runs, no contact']
    assert str(card.approved) == 'A. Person, 2026-11-21: lab only'


def test_the_least_one():
    card = parse_card('task: to stand')
    assert (card.limits, card.evaluation, card.approved) == ((), (), None)
    assert card.training.steps is None


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('task: ', 'taks: '), 'card.yaml:1: task is missing: expected what the policy is for; t'),
        (('  seed: 7', '  sead: 7'), 'card.yaml:8: training.sead: unknown key. Did you mean see'),
        (('steps: 400000', 'steps: 4e5'), "training.steps: expected a whole number, found '4e5'"),
        (('  date: 2026-11-20\n', '  date: 20.11.2026\n'), 'training.date: expected a date such'),
        (('2026-11-21', '2026-13-21'), 'approved.date: month must be in 1..12'),
        (('successes: 94', 'successes: 101'), 'evaluation[0].successes: 101 of 100 episodes'),
        (('successes: 94, ', ''), 'evaluation[0]: expected episodes and successes, or neither'),
        ((", result: 'twelve runs, no contact'", ''), 'or a result in words'),
        (("by: 'A. Person', ", ''), 'approved: by is missing: expected the name of who approved'),
        ((ZEROS, '0123'), 'approved.sha256: expected 64 lower-case hexadecimal digits'),
        (('limits:\n', 'limits: !!python/name:os.system\n'), 'the tag tag:yaml.org,2002:python'),
    ],
)
def test_refusals(change, words):
    with pytest.raises(ContractError) as caught:
        parse_card(edited(CARD, change))
    assert words in str(caught.value)


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a sealed bundle with a card that nobody has approved."""
    folder = tmp_path / 'work'
    folder.mkdir()
    named = f"card: {{file: card.yaml, sha256: '{ZEROS}'}}\nartifact:\n"
    (folder / 'policy.yaml').write_text(edited(CONTRACT, ('artifact:\n', named)))
    (folder / 'policy.onnx').write_bytes(b'weights')
    (folder / 'card.yaml').write_text('task: to stand  # really\n')
    seal_bundle(folder)
    return folder


def test_the_card_is_part_of_the_bundle(folder):
    bundle = load_bundle(folder)
    assert bundle.card.task == 'to stand'
    assert bundle.contract.files['card.yaml'] == bundle.contract.card.sha256
    (folder / 'card.yaml').write_text('task: to fall\n')
    with pytest.raises(BundleError, match=r'card\.yaml: altered: .* card\.sha256'):
        load_bundle(folder)
    assert seal_bundle(folder).sha256 != bundle.sha256
    (folder / 'card.yaml').write_bytes(b'task: \xff')
    with pytest.raises(ContractError, match=r'card\.yaml: is not UTF-8 text'):
        seal_bundle(folder)


def test_what_an_approval_is_for_can_be_made_by_hand(folder):
    text = (folder / 'policy.yaml').read_text()
    contract = load_bundle(folder).contract
    without_card = text.replace(contract.card.sha256, ZEROS).encode()
    lines = ''.join(
        f'{hashlib.sha256(data).hexdigest()}  {name}\n'
        for name, data in (('policy.onnx', b'weights'), ('policy.yaml', without_card))
    )
    assert approval_hash(contract) == hashlib.sha256(lines.encode()).hexdigest()
    (folder / 'card.yaml').write_text('task: to sit\n')
    assert approval_hash(seal_bundle(folder).contract) == approval_hash(contract)


def test_approving(folder, tmp_path):
    before = load_bundle(folder)
    approved = approve_bundle(folder, "A. Person: of 'the lab'", TODAY, 'with a hoist')
    assert str(approved.card.approved) == "A. Person: of 'the lab', 2026-11-21: with a hoist"
    assert (folder / 'card.yaml').read_text().startswith('task: to stand  # really\n\napproved:\n')
    assert approved.sha256 != before.sha256
    with pytest.raises(BundleError, match=r'card\.yaml: has an approval: A\. Person'):
        approve_bundle(folder, 'B. Person', TODAY)
    entry = Registry(tmp_path / 'registry').add(folder)
    assert entry.card == approved.card
    with pytest.raises(BundleError, match='a bundle of a registry does not change'):
        approve_bundle(entry.folder, 'B. Person', TODAY)


@pytest.mark.parametrize('what', ['policy.onnx', 'policy.yaml'])
def test_an_approval_does_not_outlive_a_change(folder, what):
    approve_bundle(folder, 'A. Person', TODAY)
    if what == 'policy.onnx':
        (folder / what).write_bytes(b'other weights')
    else:
        text = (folder / what).read_text()
        (folder / what).write_text(edited(text, ('scale: 2.0', 'scale: 20.0')))
    with pytest.raises(BundleError, match='A. Person approved .*: it has changed since'):
        seal_bundle(folder)
    card = folder / 'card.yaml'
    card.write_text(card.read_text().partition('approved:')[0])
    assert seal_bundle(folder).card.approved is None


def test_nothing_to_approve_it_in(folder):
    text = (folder / 'policy.yaml').read_text()
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith('card:')]
    (folder / 'policy.yaml').write_text(''.join(lines))
    with pytest.raises(BundleError, match='has no model card to approve it in'):
        approve_bundle(folder, 'A. Person', TODAY)


@pytest.mark.parametrize('robot', ['rover', 'arm', 'pendulum'])
def test_the_examples_say_what_they_can_do_and_what_not(checkout, robot):
    card = load_bundle(checkout / 'examples' / robot / 'bundle').card
    (evaluation,) = card.evaluation
    assert evaluation.how == f'fournex evaluate {robot} --episodes 100'
    assert evaluation.episodes == 100 and evaluation.successes >= 94
    assert (checkout / card.training.script).is_file()
    assert len(card.limits) >= 2 and card.approved is None

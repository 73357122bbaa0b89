"""``fournex policies``, and ``name@version`` wherever a policy is named."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Return the folder of a registry of its own, which is empty."""
    folder = tmp_path / 'registry'
    monkeypatch.setenv('FOURNEX_REGISTRY', str(folder))
    return folder


@pytest.fixture
def copy(checkout, tmp_path):
    """Return a function that copies an example's bundle, with some of its contract replaced."""

    def make(robot: str, *replacements: tuple[str, str]):
        folder = tmp_path / f'{robot}-{len(list(tmp_path.iterdir()))}'
        shutil.copytree(checkout / 'examples' / robot / 'bundle', folder)
        text = (folder / 'policy.yaml').read_text()
        for before, after in replacements:
            assert before in text
            text = text.replace(before, after)
        (folder / 'policy.yaml').write_text(text)
        return folder

    return make


def test_from_a_folder_to_an_approved_policy(fournex, registry, copy):
    folder = copy('arm', ('version: 1', 'version: 2'), ('scale: 0.1', 'scale: 0.2'))
    (folder / 'card.yaml').write_text((folder / 'card.yaml').read_text() + '# one word more\n')
    (folder / 'notes.txt').write_text('not part of it')
    refused = fournex('policies', 'add', folder)
    assert refused.status == 2 and 'card.yaml: altered' in refused.err
    assert fournex('policies', 'seal', folder).status == 0
    approved = fournex('policies', 'approve', folder, '--by', 'A. Person', '--date', '2026-11-21')
    assert approved.out.rstrip().endswith('approved by A. Person, 2026-11-21')
    added = fournex('policies', 'add', folder)
    assert added.out.splitlines()[1].endswith('does not name it: notes.txt')
    assert fournex('policies', 'add', 'examples/arm/bundle').status == 0

    listed = fournex('policies', 'list')
    assert [line.split()[:4] for line in listed.out.splitlines()[1:]] == [
        ['arm-reach@1', '50', 'Hz', 'onnx'],
        ['arm-reach@2', '50', 'Hz', 'onnx'],
    ]
    assert 'nobody' in listed.out.splitlines()[1]
    assert 'A. Person, 2026-11-21' in listed.out.splitlines()[2]

    compared = fournex('policies', 'diff', 'arm-reach@1', 'arm-reach')
    assert compared.status == 1
    assert [line.split() for line in compared.out.splitlines()[2:]] == [
        ['network', 'the', 'same'],
        [],
        ['what', 'before', 'after'],
        ['inputs.obs.joint_velocity.scale', '0.1', '0.2'],
        ['card.approved', 'nobody', 'A.', 'Person,', '2026-11-21'],
    ]
    same = fournex('policies', 'diff', 'arm-reach@1', './examples/arm/bundle')
    assert same.status == 0 and 'Nothing else differs.' in same.out

    shown = fournex('policies', 'show', 'arm-reach')
    assert 'arm-reach@2' in shown.out and 'A. Person' in shown.out
    assert fournex('policies', 'remove', 'arm-reach').status == 2
    assert fournex('policies', 'remove', 'arm-reach@2').status == 0
    assert fournex('policies', 'show', 'arm-reach@2').err == (
        f'the registry {registry} has no arm-reach@2; of arm-reach it has version 1\n'
    )


def test_for_scripts(fournex, registry, copy):
    assert json.loads(fournex('policies', 'list', '--json').out) == []
    fournex('policies', 'add', 'examples/rover/bundle')
    (entry,) = json.loads(fournex('policies', 'list', '--json').out)
    assert entry['reference'] == 'rover-nav@1' and entry['period_ns'] == 50_000_000
    assert entry['approved'] is None and entry['problem'] == ''
    shown = json.loads(fournex('policies', 'show', 'rover-nav', '--json').out)
    assert shown['contract']['period'] == '50 ms'
    assert shown['card']['evaluation'][0]['successes'] == 94
    other = copy('rover', ('period: 50 ms', 'period: 25 ms'))
    compared = fournex('policies', 'diff', 'rover-nav', other, '--json')
    found = json.loads(compared.out)
    assert compared.status == 1 and found['same_network'] and not found['same']
    assert found['differences'] == [{'where': 'period', 'before': '50 ms', 'after': '25 ms'}]


def test_verify_says_what_is_not_as_it_was(fournex, registry):
    fournex('policies', 'add', 'examples/rover/bundle')
    sound = fournex('policies', 'verify')
    assert (sound.status, sound.out) == (0, f'1 in {registry}: every file is as it was added\n')
    network = registry / 'rover-nav/1/policy.onnx'
    data = network.read_bytes()
    network.chmod(0o644)
    network.write_bytes(data[:-1] + b'x')
    broken = fournex('policies', 'verify', 'rover-nav@1')
    assert broken.status == 1
    assert broken.out.startswith('rover-nav@1 policy.onnx: altered: added as ')
    (problem,) = json.loads(fournex('policies', 'verify', '--json').out)
    assert (problem['file'], problem['what']) == ('policy.onnx', 'altered')
    refused = fournex('evaluate', 'rover', '--episodes', 1, '--bundle', 'rover-nav@1')
    assert refused.status == 2
    assert 'See: fournex policies verify rover-nav@1' in refused.err


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['lst'], "'lst' is not one of its verbs. Did you mean list?"),
        ([], 'fournex policies --help'),
        (['diff', 'a@1'], 'the following arguments are required'),
        (['show', 'rover-nav@1'], 'It is empty: fournex policies add FOLDER fills it'),
        (['add', 'nowhere'], 'nowhere: no such policy bundle'),
        (['approve', 'examples/arm/bundle'], '--by'),
        (['approve', 'x', '--by', 'me', '--date', 'today'], '--date'),
    ],
)
def test_what_is_refused(fournex, registry, words, said):
    done = fournex('policies', *words)
    assert (done.status, done.out) == (2, '')
    assert said in done.err
    assert not registry.exists()


def test_help_says_where_the_registry_is(fournex, registry):
    done = fournex('policies', '--help')
    assert done.status == 0 and str(registry) in done.out
    assert 'approve' in done.out
    for verb in ('list', 'show', 'diff', 'verify', 'add', 'remove', 'seal', 'approve'):
        assert f'usage: fournex policies {verb}' in fournex('policies', verb, '--help').out


# --- name@version --------------------------------------------------------------------------------


def test_a_wiring_names_a_version(fournex, registry, wiring, checkout):
    bundle = checkout / 'examples/pendulum/bundle'
    file = wiring((f'policy: {bundle}', 'policy: pendulum-balance@1'))
    refused = fournex('inspect', file)
    assert refused.status == 2
    assert f'{file}:' in refused.err and 'sessions.pendulum.policy: the registry' in refused.err
    fournex('policies', 'add', bundle)
    shown = fournex('inspect', file)
    assert f'pendulum-balance@1 at 50 Hz, from {registry}/pendulum-balance/1' in shown.out
    assert fournex('evaluate', file, '--episodes', 1).status == 0
    named = wiring((f'policy: {bundle}', 'policy: pendulum-balance'))
    assert 'such as pendulum-balance@1' in fournex('inspect', named).err
    absent = wiring((f'policy: {bundle}', 'policy: pendulum-balanced'))
    assert 'pendulum-balanced: no such policy bundle' in fournex('inspect', absent).err


def test_bundle_takes_a_reference(fournex, registry, bag):
    fournex('policies', 'add', 'examples/pendulum/bundle')
    assert 'pendulum-balance@1' in fournex('inspect', 'pendulum-balance@1').out
    assert fournex('inspect', 'pendulum', '--bundle', 'pendulum-balance@1').status == 0
    assert fournex('replay', bag, '--bundle', 'pendulum-balance@1').status == 0
    assert fournex('replay', bag, '--bundle', 'pendulum=pendulum-balance@1').status == 0
    assert 'has no pendulum-balance@2' in fournex('replay', bag, '--bundle',
                                                  'pendulum-balance@2').err  # fmt: skip


def test_a_replay_finds_the_policy_by_its_hash(
    fournex, registry, copy, wiring, checkout, tmp_path
):
    folder = copy('pendulum')
    file = wiring((f'policy: {checkout}/examples/pendulum/bundle', f'policy: {folder}'))
    bag = tmp_path / 'bag'
    assert fournex('evaluate', file, '--episodes', 1, '--record', bag).status == 0
    fournex('policies', 'add', folder)
    with open(folder / 'policy.yaml', 'a') as contract:
        contract.write('# written over since\n')
    assert fournex('replay', bag).status == 0
    shutil.rmtree(folder)
    assert fournex('replay', bag).status == 0
    shutil.rmtree(registry)
    gone = fournex('replay', bag)
    assert gone.status == 2
    assert f'is not at {folder}, and the registry has none of hash ' in gone.err


def test_run_hands_the_folder_to_the_node(registry, fournex):
    from fournex_runtime.cli.run import ros_arguments

    fournex('policies', 'add', 'examples/pendulum/bundle')
    words = ros_arguments(['w.yaml', '--bundle', 'pendulum-balance@1'])
    assert f'bundle:={registry}/pendulum-balance/1' in words

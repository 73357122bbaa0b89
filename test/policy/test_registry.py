"""A registry of policies: written once, whole or not at all, and checked."""

import multiprocessing
import os
import pathlib
import subprocess
import sys
import time

import pytest
from tiny_session import CONTRACT, edited

from fournex_runtime.errors import BundleError, ContractError
from fournex_runtime.policy.bundle import load_bundle, seal_bundle
from fournex_runtime.policy.registry import Registry, default_root, locate_bundle


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / 'policies')


def make(folder: pathlib.Path, version: int = 1, weights: bytes = b'weights', name: str = 'tiny'):
    """Return the folder of a sealed bundle."""
    folder.mkdir(parents=True)
    changes = (('name: tiny', f'name: {name}'), ('version: 1', f'version: {version}'))
    (folder / 'policy.yaml').write_text(edited(CONTRACT, *changes))
    (folder / 'policy.onnx').write_bytes(weights)
    return seal_bundle(folder).folder


def test_an_entry_is_a_copy_that_sha256sum_can_check(registry, tmp_path):
    source = make(tmp_path / 'work')
    (source / 'notes.txt').write_text('not named by the contract')
    added = registry.add(source)
    assert added.folder == registry.root / 'tiny' / '1' == registry.find('tiny@1')
    assert added.sha256 == load_bundle(source).sha256
    assert sorted(file.name for file in added.folder.iterdir()) == [
        'SHA256SUMS', 'policy.onnx', 'policy.yaml',
    ]  # fmt: skip
    assert {file.stat().st_mode & 0o777 for file in added.folder.iterdir()} == {0o444}
    check = ['sha256sum', '--check', '--strict', 'SHA256SUMS']
    checked = subprocess.run(check, cwd=added.folder, capture_output=True, text=True, timeout=20)
    assert checked.stdout == 'policy.onnx: OK\npolicy.yaml: OK\n'
    assert [one.name for one in registry.root.iterdir()] == ['tiny']


def test_the_same_content_again_is_fine_and_other_content_is_not(registry, tmp_path):
    first = registry.add(make(tmp_path / 'first'))
    registry.add(make(tmp_path / 'fourth', version=4))
    assert registry.add(tmp_path / 'first').folder == first.folder
    other = make(tmp_path / 'other', weights=b'other weights')
    with pytest.raises(BundleError) as caught:
        registry.add(other)
    for words in (first.sha256[:12], load_bundle(other).sha256[:12], 'write version: 5'):
        assert words in str(caught.value)
    assert load_bundle(first.folder).artifact == b'weights'
    assert sorted(one.name for one in registry.root.iterdir()) == ['tiny']


def test_what_is_no_sound_bundle_leaves_nothing(registry, tmp_path):
    source = make(tmp_path / 'work')
    (source / 'policy.onnx').write_bytes(b'altered')
    with pytest.raises(BundleError, match=r'policy\.onnx: altered'):
        registry.add(source)
    (source / 'policy.yaml').write_text('name: tiny')
    with pytest.raises(ContractError, match='version is missing'):
        registry.add(source)
    assert not registry.root.exists()
    assert registry.list() == registry.verify() == ()


def test_the_newest_is_found_by_number_not_by_spelling(registry, tmp_path):
    for version in (9, 10, 2):
        registry.add(make(tmp_path / str(version), version))
    assert registry.find('tiny').name == '10'
    assert registry.versions('tiny') == (2, 9, 10)
    assert [one.reference for one in registry.list()] == ['tiny@2', 'tiny@9', 'tiny@10']
    entry = registry.list()[0]
    assert entry.contract.period_ns == 20_000_000 and entry.contract.artifact.backend == 'onnx'
    assert abs(entry.added_ns - time.time_ns()) < 60_000_000_000
    assert registry.find_hash(entry.sha256) == registry.find('tiny@2')
    assert registry.find_hash('0' * 64) is None


@pytest.mark.parametrize(
    ('reference', 'words'),
    [
        ('tiny@3', 'has no tiny@3; of tiny it has version 1, 2'),
        ('tinny@1', "has no policy 'tinny'. Did you mean tiny?"),
        ('tiny@latest', "'tiny@latest': expected NAME@VERSION or NAME"),
        ('tiny@01', 'expected NAME@VERSION'),
        ('tiny@1/../1', 'expected NAME@VERSION'),
        ('../policies/tiny', 'has no policy'),
        ('', "has no policy ''"),
    ],
)
def test_what_is_not_there(registry, tmp_path, reference, words):
    with pytest.raises(BundleError, match='It is empty: fournex policies add'):
        registry.find('tiny')
    registry.add(make(tmp_path / 'a', 1))
    registry.add(make(tmp_path / 'b', 2))
    with pytest.raises(BundleError) as caught:
        registry.find(reference)
    assert words in str(caught.value)


def test_a_robot_is_given_a_version(registry, tmp_path, monkeypatch):
    monkeypatch.setenv('FOURNEX_REGISTRY', str(registry.root))
    monkeypatch.chdir(tmp_path)
    registry.add(make(tmp_path / 'work', 3))
    assert locate_bundle('tiny@3') == registry.find('tiny@3')
    assert locate_bundle('tiny') == pathlib.Path('tiny')  # a folder, which need not exist
    assert locate_bundle('some/tiny@3') == pathlib.Path('some/tiny@3')
    for wrong in ('tiny@', 'tiny@newest', 'tiny@4'):
        with pytest.raises(BundleError, match=wrong):
            locate_bundle(wrong)
    (tmp_path / 'beside' / 'tiny@3').mkdir(parents=True)
    assert locate_bundle('tiny@3', tmp_path / 'beside') == tmp_path / 'beside' / 'tiny@3'


def test_where_the_registry_is():
    home = pathlib.Path.home()
    assert default_root({}) == home / '.local/share/fournex/policies'
    assert default_root({'XDG_DATA_HOME': '/data'}) == pathlib.Path('/data/fournex/policies')
    assert default_root({'XDG_DATA_HOME': 'data'}) == home / '.local/share/fournex/policies'
    everything = {'FOURNEX_REGISTRY': '~/own', 'XDG_DATA_HOME': '/data'}
    assert default_root(everything) == home / 'own'


# --- what is no longer as it was -----------------------------------------------------------------


def overwrite(file: pathlib.Path, data: bytes) -> None:
    file.unlink()
    file.write_bytes(data)


@pytest.mark.parametrize(
    ('damage', 'problem', 'refusal'),
    [
        (
            lambda folder: overwrite(folder / 'policy.onnx', b'other'),
            'tiny@1 policy.onnx: altered: added as ',
            r'policy\.onnx: altered',
        ),
        (
            lambda folder: overwrite(
                folder / 'policy.yaml',
                (folder / 'policy.yaml').read_bytes().replace(b'scale: 2.0', b'scale: 20.'),
            ),
            'tiny@1 policy.yaml: altered: added as ',
            'altered: policy.yaml or SHA256SUMS',
        ),
        (
            lambda folder: (folder / 'policy.onnx').unlink(),
            'tiny@1 policy.onnx: missing: it was there when it was added',
            r'policy\.onnx: cannot be read',
        ),
        (
            lambda folder: (folder / 'policy.onnx.orig').write_bytes(b''),
            'tiny@1 policy.onnx.orig: extra: it was not there when it was added',
            '',
        ),
        (
            lambda folder: (folder / 'SHA256SUMS').unlink(),
            'tiny@1 SHA256SUMS: missing: ',
            'is no whole entry: it has no SHA256SUMS',
        ),
        (
            lambda folder: overwrite(folder / 'SHA256SUMS', b'nonsense\n'),
            "tiny@1: unreadable: {folder}/SHA256SUMS: expected lines of sha256sum, found 'nonsens",
            'altered: policy.yaml or SHA256SUMS',
        ),
    ],
    ids=['altered', 'contract', 'missing', 'extra', 'no sums', 'other sums'],
)
def test_damage_is_found_and_refused(registry, tmp_path, damage, problem, refusal):
    folder = registry.add(make(tmp_path / 'work')).folder
    registry.add(make(tmp_path / 'sound', 2))
    assert registry.verify() == ()
    damage(folder)
    found = [str(one) for one in registry.verify()]
    assert len(found) == 1 and found[0].startswith(problem.format(folder=folder)), found
    assert found == [str(one) for one in registry.verify('tiny@1')]
    assert registry.verify('tiny') == ()  # the newest, which is sound
    if refusal:
        with pytest.raises(BundleError, match=refusal) as caught:
            load_bundle(registry.find('tiny@1'))
        told = str(caught.value)
        assert 'fournex policies' in told or 'cannot be read' in told


def test_an_entry_that_was_renamed_is_not_taken_for_another(registry, tmp_path):
    folder = registry.add(make(tmp_path / 'work')).folder
    folder.rename(folder.with_name('7'))
    with pytest.raises(BundleError, match='holds tiny@1, not tiny@7: it was moved or renamed'):
        registry.find('tiny@7')
    assert 'holds tiny@1' in str(registry.verify()[0])
    assert 'holds tiny@1' in registry.list()[0].problem


def test_an_unreadable_entry_does_not_hide_the_others(registry, tmp_path):
    first = registry.add(make(tmp_path / 'first')).folder
    registry.add(make(tmp_path / 'second', 2))
    overwrite(first / 'policy.yaml', b'name: [')
    broken, sound = registry.list()
    assert 'not valid YAML' in broken.problem and broken.contract is None
    assert sound.contract.reference == 'tiny@2' and sound.problem == ''


def test_an_entry_cannot_be_sealed_again(registry, tmp_path):
    folder = registry.add(make(tmp_path / 'work')).folder
    with pytest.raises(BundleError, match='a bundle of a registry does not change'):
        seal_bundle(folder)


def test_removing(registry, tmp_path):
    registry.add(make(tmp_path / 'a', 1))
    registry.add(make(tmp_path / 'b', 2))
    with pytest.raises(BundleError, match="'tiny': expected NAME@VERSION, such as"):
        registry.remove('tiny')
    registry.remove('tiny@2')
    assert registry.versions('tiny') == (1,)
    registry.remove('tiny@1')
    assert registry.list() == () and list(registry.root.iterdir()) == []
    with pytest.raises(BundleError, match='has no policy'):
        registry.remove('tiny@1')


def test_a_registry_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(BundleError, match='cannot add tiny@1 to the registry .*file: File exists'):
        Registry(tmp_path / 'file').add(make(tmp_path / 'work'))


# --- several at once, and sudden ends ------------------------------------------------------------


def _add(root, folder, barrier, results):
    barrier.wait()
    try:
        results.put(Registry(root).add(folder).sha256)
    except BundleError as problem:
        results.put(str(problem))


def test_of_several_that_add_one_version_one_wins(registry, tmp_path):
    """Four processes at once, two contents, four times over."""
    context = multiprocessing.get_context('fork')
    for version in range(1, 5):
        folders = [
            make(tmp_path / f'{version}-{i}', version, weights=bytes([i % 2]) * 100_000)
            for i in range(4)
        ]
        barrier, results = context.Barrier(4), context.Queue()
        workers = [
            context.Process(target=_add, args=(registry.root, folder, barrier, results))
            for folder in folders
        ]
        for worker in workers:
            worker.start()
        said = [results.get(timeout=30) for _ in workers]
        for worker in workers:
            worker.join(10)
        kept = load_bundle(registry.find(f'tiny@{version}')).sha256
        assert said.count(kept) == 2
        assert sum(f'{kept[:12]}… there' in one for one in said) == 2
    assert registry.verify() == ()
    assert [one.name for one in registry.root.iterdir()] == ['tiny']


KILLED = """
import os, pathlib, sys
from fournex_runtime.policy.registry import Registry

left, fsync = int(sys.argv[3]), os.fsync

def fsync_or_die(descriptor):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)
    fsync(descriptor)

os.fsync = fsync_or_die
Registry(pathlib.Path(sys.argv[1])).add(pathlib.Path(sys.argv[2]))
"""


@pytest.mark.parametrize('syncs', [1, 2, 3, 4, 5])
def test_whenever_an_add_is_killed_there_is_a_whole_entry_or_none(registry, tmp_path, syncs):
    """SIGKILL once artifact, contract, checksums or folder are written, or the entry is there."""
    source = make(tmp_path / 'work')
    words = [sys.executable, '-c', KILLED, registry.root, source, str(syncs)]
    assert subprocess.run(words, timeout=50, check=False).returncode == -9
    assert registry.verify() == ()
    assert [one.reference for one in registry.list()] == (['tiny@1'] if syncs == 5 else [])
    assert load_bundle(registry.add(source).folder).artifact == b'weights'


def test_what_a_killed_add_left_is_swept_up_when_it_is_old(registry, tmp_path):
    source = make(tmp_path / 'work')
    words = [sys.executable, '-c', KILLED, registry.root, source, '2']
    subprocess.run(words, timeout=50, check=False)
    (left,) = registry.root.iterdir()
    assert left.name.startswith('.unfinished-')
    registry.add(make(tmp_path / 'next', 2))
    assert left.is_dir()  # it could be another process's, at work
    os.utime(left, (0, 0))
    registry.add(make(tmp_path / 'last', 3))
    assert [one.name for one in registry.root.iterdir()] == ['tiny']
    assert registry.versions('tiny') == (2, 3)

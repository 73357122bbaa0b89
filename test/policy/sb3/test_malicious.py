"""Files that want to do something: each is refused before anything of it is executed."""

from __future__ import annotations

import io
import os
import pathlib
import pickle
import random
import stat
import struct
import tarfile
import tracemalloc
import zipfile

import pytest
from pickle_code import (
    Call,
    Global,
    Persistent,
    code,
    pickled,
    tensor,
    torch_file,
    with_setting,
    zipped,
)
from sb3_file import read_sb3

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.sb3.network import build_onnx
from fournex_runtime.policy.sb3.vec_normalize import read_vec_normalize
from fournex_runtime.policy.zip_members import ZipMembers

READ = ('policy_class', 'policy_kwargs', 'observation_space', 'action_space')
UNREAD = ('lr_schedule', 'clip_range', '_last_obs', 'rollout_buffer_class')


class Command:
    """Pickled, a call of ``os.system``."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.fixture
def sentinel(tmp_path) -> pathlib.Path:
    """Return a file that is there once one of the commands here has run."""
    return tmp_path / 'executed'


def gadgets(sentinel: pathlib.Path) -> dict[str, bytes]:
    """Return pickles that would run something if anything ran them."""
    touch, python = f'touch {sentinel}', f'open({str(sentinel)!r}, "w")'

    def call(name: str, *arguments) -> Call:
        module, _, function = name.rpartition('.')
        return Call(Global(module, function), arguments)

    return {
        **{
            f'os.system, protocol {protocol}': pickle.dumps(Command(touch), protocol)
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        },
        'builtins.eval': pickled(call('builtins.eval', python)),
        'builtins.exec': pickled(call('builtins.exec', python)),
        '__builtin__.eval': pickled(call('__builtin__.eval', python)),
        'builtins.getattr': pickled(call('builtins.getattr', Global('os', 'path'), 'os')),
        'subprocess.Popen': pickled(call('subprocess.Popen', ('touch', str(sentinel)))),
        'functools.partial': pickled(call('functools.partial', Global('os', 'system'), touch)),
        'numpy runstring': pickled(call('numpy.testing._private.utils.runstring', python, {})),
        'numpy loads': pickled(call('numpy.core.multiarray.fromstring', touch)),
        'torch load': pickled(call('torch.storage._load_from_bytes', pickled(None))),
        'torch hub': pickled(call('torch.hub.load', 'someone/something', 'model')),
        'torch exec': pickled(
            call('torch.jit.unsupported_tensor_ops.execWrapper', python, {}, {})
        ),
        'cloudpickle': pickled(call('cloudpickle.cloudpickle._make_function', 1, 2, 3, 4, 5)),
        'in an argument': pickled((1, [call('os.system', touch)])),
        'in a state': pickled(
            Call(Global('numpy', 'dtype'), ('f4', False, True), call('os.system', touch))
        ),
        'dotted name': pickled(call('numpy.dtype.__class__.os.system', touch)),
        'type as a function': pickled(call('torch.nn.modules.activation.ReLU', touch)),
        'no function': b'\x80\x02X\x02\x00\x00\x00id(t\x85R.',
        'instance': b'\x80\x02(X\x01\x00\x00\x00aios\nsystem\n.',
        'object': b'\x80\x02(cos\nsystem\nX\x01\x00\x00\x00ao.',
        'extension': b'\x80\x02\x82\x01.',
        'persistent': pickled(Persistent(Global('os', 'system'))),
    }


GADGETS = sorted(gadgets(pathlib.Path('unused')))


def refused(read, file: pathlib.Path, *named: str) -> str:
    """Return the error of reading a file, which names the file and what is named here."""
    with pytest.raises(ArtifactError) as caught:
        read(file)
    text = str(caught.value)
    for one in (str(file), *named):
        assert one in text, text
    return text


@pytest.mark.parametrize('gadget', GADGETS)
@pytest.mark.parametrize('setting', READ)
def test_a_pickled_setting_that_would_run_something(setting, gadget, model, saved, sentinel):
    data = with_setting(saved['data'], setting, gadgets(sentinel)[gadget])
    refused(read_sb3, model(data=data), f'data: {setting}')
    assert not sentinel.exists()


@pytest.mark.parametrize('setting', UNREAD)
def test_settings_that_are_not_needed_stay_unread(setting, model, saved, sentinel):
    data = with_setting(saved['data'], setting, pickle.dumps(Command(f'touch {sentinel}')))
    assert read_sb3(model(data=data)).algorithm == 'PPO'
    assert not sentinel.exists()


@pytest.mark.parametrize('member', ['policy.optimizer.pth', 'pytorch_variables.pth'])
def test_members_that_are_not_needed_stay_unread(member, model, sentinel):
    evil = pickle.dumps(Command(f'touch {sentinel}'))
    assert read_sb3(model(**{member: evil})).algorithm == 'PPO'
    assert not sentinel.exists()


@pytest.mark.parametrize('gadget', GADGETS)
def test_weights_that_would_run_something(gadget, model, sentinel):
    evil = gadgets(sentinel)[gadget]
    file = model(policy__pth=zipped({'archive/data.pkl': evil}))
    refused(read_sb3, file, 'policy.pth: archive/data.pkl')
    file = model(policy__pth=evil)  # as torch wrote it before 1.6
    refused(read_sb3, file, 'policy.pth')
    assert not sentinel.exists()


ONE = tensor('0', 1, (1,), (1,))


@pytest.mark.parametrize(
    'setting',
    [
        code(ONE) + code(7) + code('x') + b's',
        code(ONE) + b'(' + code(7) + code('x') + b'u',
        code([]) + code(1 << 40) + code(0) + b's',
        code(b'bytes') + code(0) + code(0) + b's',
        code(Global('torch', 'FloatStorage')) + code('x') + code(0) + b's',
        code(ONE) + code('x') + b'a',
        code(ONE) + code({'data': 0}) + b'b',
    ],
)
def test_weights_that_set_items_of_what_is_no_dictionary(setting, model):
    """CVE-2026-24747: memory that ``torch.load(weights_only=True)`` wrote to."""
    entry = b'\x80\x02}' + code('action_net.weight') + setting + b's.'
    data = {'archive/data.pkl': entry, 'archive/data/0': bytes(4)}
    refused(read_sb3, model(policy__pth=zipped(data)), 'policy.pth: archive/data.pkl')


def test_weights_in_formats_that_torch_runs_in_spite_of_weights_only(model, sentinel):
    """CVE-2025-32434: archives before torch 0.4 and TorchScript, which are programs."""
    evil = pickle.dumps(Command(f'touch {sentinel}'), 2)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode='w') as archive:
        for name in ('sys_info', 'pickle', 'storages', 'tensors'):
            entry = tarfile.TarInfo(name)
            entry.size = len(evil)
            archive.addfile(entry, io.BytesIO(evil))
    refused(read_sb3, model(policy__pth=stream.getvalue()), 'policy.pth', 'not a zip archive')
    script = {
        'archive/data.pkl': pickled(Call(Global('__torch__', 'Policy'), ())),
        'archive/code/__torch__.py': b'class Policy(Module):\n  pass\n',
        'archive/constants.pkl': evil,
        'archive/version': b'3\n',
    }
    refused(read_sb3, model(policy__pth=zipped(script)), 'data.pkl', '__torch__.Policy')
    assert not sentinel.exists()


@pytest.mark.parametrize('gadget', GADGETS)
def test_statistics_that_would_run_something(gadget, tmp_path, sentinel, vec_normalize):
    file = tmp_path / 'vec_normalize.pkl'
    file.write_bytes(gadgets(sentinel)[gadget])
    refused(read_vec_normalize, file)
    # the same, in place of the first thing that a real file pickles
    evil = gadgets(sentinel)[gadget][2:-1]
    at = vec_normalize.index(b'\x94}\x94(') + 4
    file.write_bytes(vec_normalize[:2] + b'(' + vec_normalize[11:at] + evil + vec_normalize[at:])
    refused(read_vec_normalize, file)
    assert not sentinel.exists()


def test_what_is_named_and_what_to_do_is_in_the_error(model, saved):
    pickle_of_class = pickled({'features_extractor_class': Global('my_robot.nets', 'Encoder')})
    data = with_setting(saved['data'], 'policy_kwargs', pickle_of_class)
    text = refused(read_sb3, model(data=data), 'data: policy_kwargs', 'my_robot.nets.Encoder')
    assert 'nothing of it was run' in text and 'export the policy to ONNX' in text


@pytest.mark.parametrize(
    'name',
    ['../evil', '/etc/evil', 'a/../../evil', '..\\evil', 'C:\\evil', 'a//evil', './evil', 'a\0b'],
)
def test_a_name_that_leaves_the_archive(name, model):
    entry = zipfile.ZipInfo('placeholder')
    entry.filename = name
    file = model()
    with zipfile.ZipFile(file, 'a') as archive:
        archive.writestr(entry, b'')
    refused(read_sb3, file, 'expected a name inside the archive')
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ('mode', 'what'), [(stat.S_IFLNK, 'a symbolic link'), (stat.S_IFIFO, 'a special file')]
)
@pytest.mark.parametrize('name', ['policy.pth', 'more'])
def test_an_entry_that_is_no_file(name, mode, what, model, saved):
    file = model(**{name: None})
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (mode | 0o777) << 16
    with zipfile.ZipFile(file, 'a') as archive:
        archive.writestr(entry, '/etc/passwd')
    refused(read_sb3, file, repr(name), what)


def test_a_name_twice(model):
    file = model()
    with zipfile.ZipFile(file, 'a') as archive, pytest.warns(UserWarning, match='Duplicate'):
        archive.writestr('data', b'{}')
    refused(read_sb3, file, "'data'", 'expected each name once')


@pytest.mark.parametrize('method', [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_the_library_does_not_write(method, model):
    file = model()
    with zipfile.ZipFile(file, 'a', method) as archive:
        archive.writestr('more', b'more')
    refused(read_sb3, file, "'more'", 'stored or deflated')


def central(data: bytes, name: str, offset: int, code: str, value: int) -> bytes:
    """Return an archive with another number in the directory entry of a member."""
    at = data.rindex(name.encode()) - 46
    assert data[at : at + 4] == b'PK\x01\x02'
    changed = bytearray(data)
    struct.pack_into(code, changed, at + offset, value)
    return bytes(changed)


def test_encrypted_data(model):
    file = model()
    file.write_bytes(central(file.read_bytes(), 'policy.pth', 8, '<H', 1))
    refused(read_sb3, file, "'policy.pth'", 'encrypted')


def test_data_of_two_members_that_overlap(model):
    file = model()
    file.write_bytes(central(file.read_bytes(), 'policy.pth', 42, '<I', 0))
    refused(read_sb3, file, 'overlapping')


def test_sizes_that_are_not_true(model):
    file = model()
    data = file.read_bytes()
    file.write_bytes(central(data, 'policy.pth', 24, '<I', 100))
    refused(read_sb3, file, "'policy.pth'", 'damaged')


def test_a_bomb_by_its_ratio_is_not_unpacked(tmp_path):
    file = tmp_path / 'model.zip'
    file.write_bytes(zipped({'data': bytes(64 << 20)}, zipfile.ZIP_DEFLATED))
    tracemalloc.start()
    refused(read_sb3, file, "'data'", '200 times')
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_bomb_by_its_total_is_not_unpacked():
    data = zipped({'data': b'{}', 'policy.pth': b'', 'more': b''})
    for name in ('data', 'policy.pth', 'more'):
        data = central(data, name, 24, '<I', 0x20000000)
    with pytest.raises(ArtifactError, match='would take 1610612736 bytes, expected at most 107'):
        ZipMembers(data, 'model.zip')


def test_a_bomb_by_its_number_of_members():
    data = zipped({f'{index}': b'' for index in range(10_001)})
    with pytest.raises(ArtifactError, match='10001 members'):
        ZipMembers(data, 'model.zip')


SIXTEEN = bytes(range(64))


@pytest.mark.parametrize(
    ('entry', 'problem'),
    [
        (tensor('0', 16, (16, 2), (2, 1)), 'beyond its storage of 16'),
        (tensor('0', 16, (1 << 20, 1 << 20), (0, 0)), 'beyond its storage of 16'),
        (tensor('0', 16, (2, 8), (16, 1)), 'beyond its storage of 16'),
        (tensor('0', 16, (8,), (1,), 9), 'beyond its storage of 16'),
        (tensor('0', 16, (8,), (1,), 1 << 60), 'beyond its storage of 16'),
        (tensor('0', 16, (8,), (1,), -1), 'expected offset, shape and strides'),
        (tensor('0', 16, (8,), (-1,), 8), 'expected offset, shape and strides'),
        (tensor('0', 16, (4, 4), (1,)), 'expected offset, shape and strides'),
        (tensor('0', 16, (2,) * 9, (1,) * 9), 'expected offset, shape and strides'),
        (tensor('0', 16, (0, 1 << 62), (1, 1)), 'without any element'),
        (tensor('0', 1 << 40, (16,), (1,)), 'take 4398046511104 bytes, found 64'),
        (tensor('0', 15, (15,), (1,)), 'take 60 bytes, found 64'),
        (tensor('0', -16, (1,), (1,)), 'found 64'),
        (tensor('../../policy', 16, (16,), (1,)), 'has no member'),
        (tensor('1', 16, (16,), (1,)), 'has no member'),
        (Persistent(('storage', 'FloatStorage', '0', 'cpu', 16)), 'expected a tensor'),
        ('text', 'expected a tensor'),
    ],
)
def test_a_tensor_that_is_not_in_its_storage(entry, problem, model):
    weights = torch_file({'action_net.weight': entry}, {'0': SIXTEEN})
    text = refused(read_sb3, model(policy__pth=weights), 'policy.pth')
    assert problem in text


@pytest.mark.parametrize(
    ('setting', 'value'),
    [
        # an array of 2 ** 60 numbers in no bytes
        (
            'low',
            Call(
                Global('numpy.core.numeric', '_frombuffer'),
                (b'', Call(Global('numpy', 'dtype'), ('f4', False, True)), (1 << 60,), 'C'),
            ),
        ),
        # objects, which are pickles again
        (
            'low',
            Call(
                Global('numpy.core.numeric', '_frombuffer'),
                (b'12345678', Call(Global('numpy', 'dtype'), ('O8', False, True)), (1,), 'C'),
            ),
        ),
        ('dtype', Call(Global('numpy', 'dtype'), ('f4,O', False, True))),
    ],
)
def test_a_space_with_arrays_that_cannot_be(setting, value, model, saved):
    plain = Call(
        Global('numpy.core.numeric', '_frombuffer'),
        (b'1234', Call(Global('numpy', 'dtype'), ('f4', False, True)), (1,), 'C'),
    )
    state = {'low': plain, 'high': plain, 'dtype': Global('numpy', 'float32')} | {setting: value}
    box = Call(Global('gymnasium.spaces.box', 'Box'), (), state)
    file = model(data=with_setting(saved['data'], 'observation_space', pickled(box)))
    refused(read_sb3, file, f'data: observation_space: {setting}')


@pytest.mark.parametrize('n', [1 << 40, 0, -1, True * 0, 2.5, 1e300])
def test_a_space_with_more_choices_than_can_be(n, model, saved):
    space = Call(Global('gymnasium.spaces.discrete', 'Discrete'), (), {'n': n, 'start': 0})
    file = model(data=with_setting(saved['data'], 'action_space', pickled(space)))
    refused(read_sb3, file, 'data: action_space', 'expected a number from 1')


@pytest.mark.parametrize(
    'code',
    [
        b'\x80\x04N\x8e\x00\x00\x00\x00\x00\x00\x00\x10.',  # 2 ** 60 bytes
        b'\x80\x02Nr\xff\xff\xff\x7f0j\xff\xff\xff\x7f\x85' + b'\x85' * 10_000 + b'.',  # far memo
        b'\x80\x02' + b'(' * 200_000 + b'.',
        b'\x80\x02]q\x00' + b'h\x00a' * 3 + b'.',  # a list in itself
        b'\x80\x02}(' + b')\x85' + b'Nu.',  # a tuple as a key
        b'\x80\x02(((NNNt.',
        b'\x80\x02.',
        b'\x80\x02R.',
        b'\x80\x02N',
        b'',
    ],
)
def test_a_pickle_that_takes_the_reader_apart(code, model, saved):
    tracemalloc.start()
    refused(read_sb3, model(data=with_setting(saved['data'], 'policy_kwargs', code)), 'data')
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    'data',
    [b'', b'{', b'[]', b'[' * 100_000, b'\xff\xfe', b'{"data": 1, "data": 2}', b'{}', b'1e9999'],
)
def test_settings_that_are_none(data, model):
    refused(read_sb3, model(data=data), 'data')


def test_base64_that_is_none(model, saved):
    data = saved['data'].replace(b'":serialized:": "', b'":serialized:": "!')
    refused(read_sb3, model(data=data), 'data: policy_class', 'base64')


@pytest.mark.parametrize('magic', [b'\x80\x04', b'\x89HDF', b'PK\x05\x06', b'#!/bin/sh\n', b''])
def test_a_file_that_is_no_archive(magic, tmp_path):
    file = tmp_path / 'model.zip'
    file.write_bytes(magic + bytes(100))
    refused(read_sb3, file, 'not a zip archive', repr((magic + bytes(4))[:4]))


@pytest.mark.parametrize('member', ['data', 'policy.pth'])
def test_a_member_that_is_missing(member, model):
    refused(read_sb3, model(**{member: None}), f'has no member {member!r}')


def test_what_is_no_file(tmp_path):
    fifo = tmp_path / 'fifo'
    os.mkfifo(fifo)
    for file, words in (
        (tmp_path, 'found a folder'),
        (tmp_path / 'nothing.zip', 'No such file'),
        (fifo, 'found a named pipe'),
        (pathlib.Path('/dev/zero'), 'found a character device'),
    ):
        refused(read_sb3, file, words)
        refused(read_vec_normalize, file, words)


@pytest.mark.parametrize('part', [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_file_that_ends_early(part, model, saved, tmp_path, vec_normalize):
    file = model()
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * part)])
    refused(read_sb3, file, 'not a complete zip archive')
    inner = saved['policy.pth']
    refused(read_sb3, model(policy__pth=inner[: int(len(inner) * part)]), 'policy.pth')
    file = tmp_path / 'vec_normalize.pkl'
    file.write_bytes(vec_normalize[: int(len(vec_normalize) * part)])
    refused(read_vec_normalize, file, 'not a complete pickle')


@pytest.mark.parametrize('seed', range(8))
def test_damage_anywhere_is_an_error_of_ours_or_none(seed, model, saved, tmp_path, vec_normalize):
    """Bytes changed at random, below the checksums of the archive too."""
    chance = random.Random(seed)
    statistics = tmp_path / 'vec_normalize.pkl'
    with zipfile.ZipFile(model()) as archive:
        weights = tmp_path / 'policy.pth'
        weights.write_bytes(archive.read('policy.pth'))
    with zipfile.ZipFile(weights) as archive:
        inner = {name: archive.read(name) for name in archive.namelist()}
    (entry,) = [name for name in inner if name.endswith('data.pkl')]

    def damaged(data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)

    refusals = 0
    for _ in range(40):
        file = model(policy__pth=zipped({**inner, entry: damaged(inner[entry])}))
        files = [file.read_bytes(), damaged(model().read_bytes())]
        files.append(model(data=damaged(saved['data'])).read_bytes())
        for data in files:
            file.write_bytes(data)
            try:
                build_onnx(read_sb3(file))
            except ArtifactError as problem:
                assert str(file) in str(problem)
                refusals += 1
        statistics.write_bytes(damaged(vec_normalize))
        try:
            read_vec_normalize(statistics)
        except ArtifactError as problem:
            assert str(statistics) in str(problem)
            refusals += 1
    assert refusals > 40

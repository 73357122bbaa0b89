"""Foreign YAML and JSON: what they say, and nothing that they would have us do."""

from __future__ import annotations

import math

import pytest

from fournex_runtime.errors import ArtifactError
from fournex_runtime.importers.foreign import Foreign
from fournex_runtime.importers.foreign_data import Tagged, read_json, read_yaml


def yaml_of(text: str):
    return read_yaml(text.encode(), 'f.yaml')


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('a: 1', {'a': 1}),
        ('a: 1e-3', {'a': 0.001}),  # a text in YAML 1.1
        ('a: -.5', {'a': -0.5}),
        ('a: [.inf, -.inf]', {'a': [math.inf, -math.inf]}),
        ('a: on', {'a': 'on'}),
        ('a: True', {'a': True}),
        ('a: null', {'a': None}),
        ("a: '1'", {'a': '1'}),
        ('a: !!python/tuple [1, 2]', {'a': [1, 2]}),
        ('1: a', {'1': 'a'}),
        ('', None),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    assert yaml_of(text) == value


def test_a_tag_is_data(tmp_path):
    text = f'a: !!python/object/apply:os.system ["touch {tmp_path}/ran"]'
    found = yaml_of(text)['a']
    assert isinstance(found, Tagged)
    assert str(found) == '!!python/object/apply:os.system'
    assert found.value == [f'touch {tmp_path}/ran']
    assert list(tmp_path.iterdir()) == []


BOMB = '\n'.join(
    ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    + [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]' for i in range(1, 9)]
)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (BOMB, 'f.yaml:.*more than 200000 values, aliases counted'),
        ('a: &a [*a]', 'f.yaml:1: .*nested more than'),
        ('[' * 1000 + ']' * 1000, 'nested'),
        ('a:\n' + '- ' * 5000, 'nested|not valid'),
        ('a: [1, 2', 'f.yaml:1: not valid YAML'),
        ('a: 1\n---\nb: 2', 'f.yaml:2: not valid YAML: expected a single document'),
        ('a: 1\na: 2', 'f.yaml:2: has the key a twice'),
        ('[a, b]: 1', 'f.yaml:1: has a list or a mapping as a key'),
        ('a: &x {b: 1}\nc: {<<: *x}', 'f.yaml:2: merges'),
        ('a: ' + 'x' * (1 << 20), 'f.yaml: .*bytes, expected at most'),
    ],
    ids=['aliases', 'cycle', 'deep', 'deeper', 'open', 'two', 'twice', 'key', 'merge', 'large'],
)
def test_what_is_no_plain_document_is_refused(text, message):
    with pytest.raises(ArtifactError, match=message):
        yaml_of(text)


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'{"a": 1, "a": 2}', 'f.json: has a key twice'),
        (b'{"a": ', 'f.json: not valid JSON'),
        (b'[' * 100_000, 'f.json: is nested too deeply'),
        (b'\xff\xfe', 'f.json: is not UTF-8'),
        (b'{"a": ' + b'9' * 5000 + b'}', 'f.json: not valid JSON'),
    ],
    ids=['twice', 'open', 'deep', 'bytes', 'digits'],
)
def test_what_is_no_json_is_refused(data, message):
    with pytest.raises(ArtifactError, match=message):
        read_json(data, 'f.json')


SAMPLE = Foreign(
    {
        'dt': 0.02,
        'gains': [1, 2.5],
        'names': ['a'],
        'on': True,
        'nan': math.nan,
        'tag': Tagged('!x', 1),
    },
    'deploy.yaml',
)


def test_a_place_in_foreign_data_is_read_by_type():
    assert SAMPLE['dt'].number() == 0.02
    assert SAMPLE['gains'].numbers(2) == (1.0, 2.5)
    assert SAMPLE['names'].texts() == ('a',)
    assert SAMPLE['on'].flag() is True
    assert SAMPLE.get('nothing') is None
    assert SAMPLE['gains'].items()[1].where == 'deploy.yaml: gains[1]'


@pytest.mark.parametrize(
    ('read', 'message'),
    [
        (lambda f: f['gain'], 'deploy.yaml: has no gain. Did you mean gains?'),
        (lambda f: f['dt'].text(), 'deploy.yaml: dt: expected a text, found 0.02'),
        (lambda f: f['on'].number(), 'deploy.yaml: on: expected a number, found True'),
        (lambda f: f['nan'].number(), 'deploy.yaml: nan: expected a finite number, found nan'),
        (lambda f: f['gains'].numbers(3), 'deploy.yaml: gains: expected a list of 3, found 2'),
        (lambda f: f['gains'].wholes(), r'deploy.yaml: gains\[1\]: expected a whole number'),
        (lambda f: f['dt']['x'], 'deploy.yaml: dt: expected a mapping, found 0.02'),
        (lambda f: f['tag'].number(), 'deploy.yaml: tag: expected a number, found .*tag !x'),
        (lambda f: f['names'].items()[0].word('b', 'c'), 'expected one of b, c, found .a.'),
    ],
)
def test_what_is_not_as_expected_is_named(read, message):
    with pytest.raises(ArtifactError, match=message):
        read(SAMPLE)

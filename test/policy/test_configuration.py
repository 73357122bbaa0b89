"""What a user reads when a YAML file says something that cannot be."""

import pytest

from fournex_runtime.configuration import FOREVER_NS, nearest, parse, parse_duration_ns, read_text
from fournex_runtime.errors import ContractError, WiringError


def section(text):
    return parse(text, 'file.yaml', WiringError)


def refusal(read, text):
    with pytest.raises(WiringError) as caught:
        read(section(text))
    return str(caught.value)


@pytest.mark.parametrize(
    ('text', 'duration_ns'),
    [
        ('30 ms', 30_000_000),
        ('30ms', 30_000_000),
        (' 0.02 s ', 20_000_000),
        ('1e-3 s', 1_000_000),
        ('1 min', 60_000_000_000),
        ('7 us', 7_000),
        ('7 ns', 7),
        ('forever', FOREVER_NS),
    ],
)
def test_durations(text, duration_ns):
    assert parse_duration_ns(text) == duration_ns


@pytest.mark.parametrize(
    'text',
    [
        '20',
        'ms',
        '-20 ms',
        '0 ms',
        '0.1 ns',
        '20 msec',
        '1..2 s',
        '.',
        '',
        'inf s',
        '1e400 s',
        '1e20 s',
        '20 ms 30 ms',
    ],
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match='duration|longer'):
        parse_duration_ns(text)


@pytest.mark.parametrize(
    ('read', 'text', 'words'),
    [
        (lambda s: s.text('a'), 'b: 1', 'file.yaml:1: a is missing: expected a text'),
        (lambda s: s.text('a'), 'x: 1\na: [1]', 'file.yaml:2: a: expected a text, found a list'),
        (lambda s: s.text('a'), 'a:', 'file.yaml:1: a: expected a text, found nothing'),
        (lambda s: s.text('a'), 'a: ~', 'file.yaml:1: a: expected a text, found nothing'),
        (lambda s: s.text('a'), "a: ' '", 'file.yaml:1: a: expected a text, found an empty text'),
        (lambda s: s.text('a', 'x'), 'a: {}', 'file.yaml:1: a: expected a text, found a mapping'),
        (lambda s: s.integer('a'), 'a: 1.0', "a: expected a whole number, found '1.0'"),
        (lambda s: s.integer('a'), 'a: 0x10', "a: expected a whole number, found '0x10'"),
        (lambda s: s.integer('a', least=1), 'a: 0', 'a: expected a whole number of at least 1, '
         'found 0'),
        (lambda s: s.number('a'), 'a: one', "a: expected a number, found 'one'"),
        (lambda s: s.number('a'), 'a: .nan', "a: expected a number, found '.nan'"),
        (lambda s: s.number('a'), 'a: nan', "a: expected a finite number, found 'nan'"),
        (lambda s: s.number('a'), 'a: 1e999', "a: expected a finite number, found '1e999'"),
        (lambda s: s.number('a'), 'a: 1:30', "a: expected a number, found '1:30'"),
        (lambda s: s.numbers('a'), 'a: {}', 'a: expected a number or a list of numbers, found a '
         'mapping'),
        (lambda s: s.numbers('a'), 'a: [1, [2]]', 'a[1]: expected a value, found a list'),
        (lambda s: s.numbers('a'), 'a: [1, ~]', 'a[1]: expected a value, found nothing'),
        (lambda s: s.numbers('a'), 'a: [1, inf]', "a: expected a finite number, found 'inf'"),
        (lambda s: s.texts('a'), 'a: b', "a: expected a list of names, found 'b'"),
        (lambda s: s.flag('a'), 'a: yes', "a: expected true or false, found 'yes'"),
        (lambda s: s.flag('a'), 'a: True', "a: expected true or false, found 'True'"),
        (lambda s: s.duration_ns('a'), 'a: 50', "a: '50' is not a duration: write a number and a "
         'unit, such as 30 ms'),
        (lambda s: s.choice('a', ('rel', 'best')), 'a: bets', "a: expected one of rel, best, "
         "found 'bets'. Did you mean best?"),
        (lambda s: s.choice('a', ('rel', 'best')), 'a: q', "a: expected one of rel, best, found "
         "'q'."),
        (lambda s: s.choice('a', ('onnx',)), 'a: torch', "a: expected onnx, found 'torch'."),
        (lambda s: s.section('a'), 'a: 1', "a: expected a mapping, found '1'"),
        (lambda s: s.sections('a'), 'a: {}', 'a: expected a list of mappings, found a mapping'),
        (lambda s: s.sections('a'), 'a: [{}, 3]', "a: item 1 is '3', expected a mapping"),
        (lambda s: s.section('a').sections('b')[0].text('c'), 'a:\n  b:\n  - {c: []}',
         'file.yaml:3: a.b[0].c: expected a text, found a list'),
    ],
)  # fmt: skip
def test_each_refusal_says_file_line_field_expected_and_found(read, text, words):
    message = refusal(read, text)
    assert message.startswith('file.yaml:')
    assert message.endswith(words)


def test_defaults_stand_in_for_keys_that_are_not_given_only():
    one = section('given: 3')
    assert one.integer('given', 5) == 3
    assert one.integer('other', 5) == 5
    assert one.text('text', '') == ''
    assert one.choice('word', ('a', 'b'), '') == ''
    assert one.texts('list', ()) == ()
    assert one.flag('flag', False) is False
    assert one.optional_section('nested') is None


def test_a_misspelled_key_is_named_with_the_nearest_one():
    def read(one):
        one.text('topic')
        one.text('frame', '')
        one.finish()

    assert refusal(read, 'topic: scan\nframme: map') == (
        'file.yaml:2: framme: unknown key. Did you mean frame?'
    )
    assert refusal(read, 'topic: scan\nqqq: map') == (
        'file.yaml:2: qqq: unknown key. Known here: frame.'
    )


def test_a_misspelled_key_that_is_needed_is_named_too():
    message = refusal(lambda one: one.duration_ns('period'), 'name: x\nperoid: 20 ms')
    assert message == (
        'file.yaml:1: period is missing: expected a duration such as 30 ms; the nearest key given '
        'is peroid, line 2'
    )


def test_a_key_given_twice_is_refused_with_both_lines():
    message = refusal(lambda one: one, 'a: 1\nb: 2\na: 3')
    assert message == 'file.yaml:3: a: is given twice; the first is in line 1'


@pytest.mark.parametrize(
    'tag', ['!!python/object/apply:os.system [id]', '!run x', '!!binary aGk=']
)
def test_tags_are_refused_and_nothing_is_constructed(tag):
    assert 'is not allowed; write plain values' in refusal(lambda one: one, f'x: 1\na: [{tag}]')


def test_yaml_1_1_reads_nothing_into_words_and_numbers():
    one = section('on: off\nrate: 1e-8\nversion: 012\nname: 1_0x\nyes: no')
    assert (one.text('on'), one.text('yes')) == ('off', 'no')
    assert one.number('rate') == 1e-8
    assert one.integer('version') == 12  # not octal
    assert one.text('name') == '1_0x'


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', 'file.yaml:1: expected a mapping, found nothing'),
        ('- a', 'file.yaml:1: expected a mapping, found a list'),
        ('a: [1', 'file.yaml:1: not valid YAML'),
        ('a: 1\n\tb: 2', 'file.yaml:2: not valid YAML'),
        ('? [a]\n: 1', 'file.yaml:1: a list cannot be a key'),
        ('a: \x07', 'not valid YAML'),
        ('a: ' + '[' * 5000, 'nested too deeply'),
    ],
)
def test_what_is_no_configuration(text, words):
    assert words in refusal(lambda one: one, text)


def test_aliases_do_not_make_a_file_endless():
    cycle = section('a: &a {self: *a, n: 1}')
    assert cycle.section('a').section('self').section('self').integer('n') == 1
    lines = ['a0: &a0 [x, x]'] + [f'a{i}: &a{i} [*a{i - 1}, *a{i - 1}]' for i in range(1, 60)]
    assert section('\n'.join(lines)).is_list('a59')


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ContractError, match=r'none\.yaml: cannot be read: No such file'):
        read_text(tmp_path / 'none.yaml', ContractError)
    (tmp_path / 'latin.yaml').write_bytes(b'name: caf\xe9')
    with pytest.raises(ContractError, match=r'latin\.yaml: is not UTF-8 text'):
        read_text(tmp_path / 'latin.yaml', ContractError)


def test_the_span_of_a_value_is_where_it_stands_in_the_text():
    text = 'a: é\nb: {c: "quoted", d: 5}'
    begin, end = section(text).section('b').span('c')
    assert text[begin:end] == '"quoted"'


def test_nearest_names():
    assert nearest('scna', ['scan', 'odom']) == ' Did you mean scan?'
    assert nearest('xyz', ['scan', 'odom']) == ' Known here: odom, scan.'
    assert nearest('xyz', []) == ''

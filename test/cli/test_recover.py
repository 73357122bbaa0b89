"""``fournex recover`` on a recording whose recorder was killed."""

import shutil

from fournex_runtime.cli.main import main
from fournex_runtime.record.bag_reader import BagReader


def test_a_bag_that_was_cut_off_is_made_a_proper_one(bag, tmp_path, capsys):
    recording = shutil.copytree(bag, tmp_path / 'cut')
    (recording / 'metadata.yaml').unlink()
    (file,) = recording.glob('*.mcap')
    file.write_bytes(file.read_bytes()[:-3000])
    assert main(['recover', str(recording)]) == 0
    said = capsys.readouterr().out
    assert f'{file.name}: was cut off, has its end now' in said
    assert 'missing at the end' in said
    with BagReader(recording) as reader:
        assert reader.problem is None
    assert main(['recover', str(recording)]) == 0
    again = capsys.readouterr().out
    assert f'{file.name}: was cut off when it was recovered before' in again
    assert 'missing at the end' in again and 'nothing is missing' not in again
    assert main(['inspect', str(recording)]) == 0
    assert 'WAS CUT OFF, and then recovered' in capsys.readouterr().out
    assert main(['replay', str(recording)]) == 0
    assert 'was cut off and then recovered; what is there' in capsys.readouterr().out


def test_what_a_bag_had_before_is_never_forgotten(bag, tmp_path, capsys):
    """It was finished, and cut off afterwards: a copy that broke, a disk that lost its end."""
    recording = shutil.copytree(bag, tmp_path / 'copied')
    (file,) = recording.glob('*.mcap')
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    for _ in range(2):
        assert main(['recover', str(recording)]) == 0
        said = capsys.readouterr().out
        assert 'missing of what metadata.yaml had: ' in said and 'nothing' not in said
    assert main(['replay', str(recording)]) == 1
    said = capsys.readouterr().out
    assert 'is not whole: metadata.yaml has more messages: ' in said
    with BagReader(recording) as reader:
        lost = reader.lost['/fournex/pendulum/tick']
    assert 500 < lost < 1500
    assert 'replaying 2002 ticks' in said and f'equal and {lost} unverifiable' in said
    assert main(['inspect', str(recording)]) == 0
    assert f'{lost} of /fournex/pendulum/tick' in capsys.readouterr().out


def test_of_one_that_was_not_nothing_is_said(bag, tmp_path, capsys):
    recording = shutil.copytree(bag, tmp_path / 'whole')
    assert main(['recover', str(recording)]) == 0
    assert 'no file was cut off\n  nothing is missing' in capsys.readouterr().out


def test_what_is_no_bag_is_refused(tmp_path, capsys):
    assert main(['recover', str(tmp_path)]) == 2
    assert 'there is no .mcap file in it' in capsys.readouterr().err

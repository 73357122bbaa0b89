"""What an artifact is: by content, never by name; and what is said where that is not clear."""

from __future__ import annotations

import os
import shutil
import zipfile

import pytest

from fournex_runtime.errors import ArtifactError
from fournex_runtime.importers.kinds import IMPORTERS
from fournex_runtime.importers.recognise import recognise


def test_the_name_of_a_file_means_nothing(saved, tmp_path):
    shutil.copy(saved / 'ppo.zip', tmp_path / 'readme.txt')
    found = recognise(tmp_path / 'readme.txt', IMPORTERS)
    assert found.importer.kind == 'stable_baselines3'


def test_the_one_artifact_of_a_folder_is_found(saved, tmp_path):
    (tmp_path / 'a' / 'b').mkdir(parents=True)
    (tmp_path / 'notes.md').write_text('# a run\n')
    shutil.copy(saved / 'ppo.zip', tmp_path / 'a' / 'b' / 'x')
    assert recognise(tmp_path, IMPORTERS).file.path == tmp_path / 'a' / 'b' / 'x'


def test_several_artifacts_of_a_folder_are_listed(saved):
    with pytest.raises(ArtifactError) as caught:
        recognise(saved, IMPORTERS)
    lines = str(caught.value).splitlines()
    assert lines[0] == f'{saved}: could be several artifacts; name one of these files:'
    assert len([one for one in lines if 'stable_baselines3' in one]) == 4


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'not recognised'),
        (b'hello', 'not recognised'),
        (b'PK\x03\x04 not a zip', 'x: begins like a zip archive, but is not a complete one'),
        (b'\x08\x08\x12\x40torch', 'x: begins like an ONNX model, but is not a complete one'),
        (b'a: [1', 'x: begins like YAML, but: x:1: not valid YAML'),
        (b'{"a": 1, ', 'x: begins like JSON, but: x: not valid JSON'),
    ],
    ids=['empty', 'text', 'zip', 'onnx', 'yaml', 'json'],
)
def test_what_is_not_recognised_says_what_it_looks_like(tmp_path, content, message):
    (tmp_path / 'x').write_bytes(content)
    with pytest.raises(ArtifactError, match=message) as caught:
        recognise(tmp_path / 'x', IMPORTERS)
    assert all(one.kind in str(caught.value) for one in IMPORTERS)


def test_a_kind_that_does_not_exist_names_the_nearest(saved):
    with pytest.raises(ArtifactError, match='no such kind. Did you mean stable_baselines3?'):
        recognise(saved / 'ppo.zip', IMPORTERS, 'stable_baselines')


def test_what_is_not_of_the_kind_that_it_is_said_to_be_is_refused(tmp_path):
    (tmp_path / 'x').write_text('hello')
    with pytest.raises(ArtifactError, match='(?s)not recognised.*Expected:\n  stable_baselines3'):
        recognise(tmp_path / 'x', IMPORTERS, 'stable_baselines3')


def test_a_missing_file_and_a_pipe_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match='none: No such file or directory'):
        recognise(tmp_path / 'none', IMPORTERS)
    with pytest.raises(ArtifactError, match='File name too long'):
        recognise(tmp_path / ('a' * 300), IMPORTERS)
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(ArtifactError, match='neither a file nor a folder'):
        recognise(tmp_path / 'pipe', IMPORTERS)


def test_a_checkpoint_of_torch_is_told_from_a_network(tmp_path):
    with zipfile.ZipFile(tmp_path / 'model_3000.pt', 'w') as archive:  # as torch.save writes it
        for member in ('data.pkl', 'byteorder', 'data/0', 'version'):
            archive.writestr(f'model_3000/{member}', b'')
    with pytest.raises(ArtifactError, match='holds weights without a network.*export the policy'):
        recognise(tmp_path / 'model_3000.pt', IMPORTERS)

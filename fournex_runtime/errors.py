"""
The errors that Fournex raises, as one tree.

::

    FournexError                 anything a caller may want to catch; exit status 2 in the CLI
    ├── ConfigurationError       a contract, a wiring or an option says something that cannot be
    │   ├── ContractError        policy.yaml
    │   ├── WiringError          the wiring file
    │   └── AnswerError          what a user says about an artifact that is imported
    │       └── OpenQuestions    what the artifact does not say, and nobody has yet
    ├── BundleError              files of a policy bundle: missing, altered, not what they say
    │   └── ArtifactError        the artifact itself: names, shapes, dtypes, not loadable
    │       ├── LateAnswer       its worker has not answered within its time
    │       └── WorkerDied       its worker has ended, or never became ready
    ├── GraphError               the live ROS graph does not have what the wiring names
    ├── MessageError             a message cannot be decoded, or lacks what its term needs
    │   └── UnresolvedFrame      what takes one frame to another is not known
    │       └── StaleTransform   … or was not said for too long
    ├── RecordingError           a bag cannot be written or read
    │   └── ReplayError          a bag cannot be re-run
    └── MissingDependencyError   an optional package is not installed; says how to install it

Messages name the thing, what was expected and what was found, and how to mend it.
"""

from __future__ import annotations


class FournexError(Exception):
    """The root of the tree."""


class ConfigurationError(FournexError):
    """A contract, a wiring or an option says something that cannot be."""


class ContractError(ConfigurationError):
    """``policy.yaml`` is not a valid contract."""


class WiringError(ConfigurationError):
    """The wiring file is not valid, or does not fit the contract."""


class AnswerError(ConfigurationError):
    """What a user says about an artifact that is imported is not an answer, or contradicts it."""


class OpenQuestions(AnswerError):
    """An artifact does not say all that a contract must have, and the user has not said it yet."""


class BundleError(FournexError):
    """A file of a policy bundle is missing or is not what the bundle says."""


class ArtifactError(BundleError):
    """The artifact does not load, or does not have the contract's names, shapes and dtypes."""


class LateAnswer(ArtifactError):
    """The worker that runs the artifact has not answered within its time."""


class WorkerDied(ArtifactError):
    """The worker that runs the artifact has ended, or never became ready."""


class GraphError(FournexError):
    """The live ROS graph does not have what the wiring names."""


class MessageError(FournexError):
    """A message cannot be decoded, or lacks what its term needs."""


class UnresolvedFrame(MessageError):
    """What takes one frame to another is not known."""


class StaleTransform(UnresolvedFrame):
    """A transform between two frames is older than its budget."""


class RecordingError(FournexError):
    """A bag cannot be written or read."""


class ReplayError(RecordingError):
    """A bag cannot be re-run."""


class MissingDependencyError(FournexError):
    """
    An optional package is not installed.

    :param package: the package as its installer names it.
    :param needed_for: what cannot be done without it.
    :param install: the command that installs it.
    """

    def __init__(self, package: str, needed_for: str, install: str) -> None:
        super().__init__(f'{needed_for} needs {package}, which is not installed: {install}')

"""
From what a training left behind to a policy bundle; what it does not say is asked, never guessed.

::

    source_file     a file by its content       ─┐
    foreign_data    YAML and JSON as plain data  ├─ recognise    recognise() → Match
    foreign         … read by type              ─┘     kinds     IMPORTERS, one module each
    questions       what counts as an answer    ─┐
    answers         what the user says           ├─ draft        known(), ask()
    array_questions what arrays mean             │
    array_terms     … read as a contract would   │
    identity        name, version, period       ─┘
    importing       draft_of(), what is open    ─── bundle_writer    write_bundle()

Beside these, ``network_arrays`` (ONNX), ``torch_program`` and ``statistics_file`` read what
networks and their statistics say, ``network_file`` finds the network that a description is of,
``observation_entries`` turns a list of observations with scales, clips and histories into terms,
and ``terms`` makes single ones, or asks for them.

An importer is an :class:`~.recognise.Importer`: it claims files by content, and fills a
:class:`~.draft.Draft`, in which every value passes ``known()`` (the artifact says it, and where)
or ``ask()`` (it does not). It is a function of the artifact and of the answers so far, and is run
again with each further answer; so a question may depend on an answer.
"""

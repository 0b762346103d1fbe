"""ML Metadata: the only module that reads its store.

ML Metadata 1.21 cannot filter by a query: a run is found by its context, and all else by its neighbours.
"""

import contextlib
import pathlib
import sqlite3
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.common.errors import InputError
from pipeline.runs.run import Artifact, Run, Stage


def metadata_file(output: str, task: str | None) -> tuple[str, str]:
    """Returns the name of the task and the file of its ML Metadata, under a folder of results.

    Raises:
      InputError: there is no such file, or there are those of several tasks and `task` is None.
    """
    found = sorted(pathlib.Path(output, "metadata").glob("*.sqlite"))
    files = {path.stem: path for path in found if _tables(path)}  # none where it was killed at once
    if task is None and len(files) == 1:
        (task,) = files
    if task in files:
        return task, str(files[task])
    if task is None and files:
        raise InputError(f"{output} holds runs of several tasks. Pass --task {' or '.join(files)}.")
    raise InputError(
        f"{output} holds no run{f' of {task}' if task else ''}. Pass the --output of a run."
    )


def run_ids(file: str) -> list[str]:
    """Returns TFX's ids of all runs, the oldest first: run N is the Nth."""
    return [context.name for context in _run_contexts(_open(file))]


def read_runs(file: str) -> list[Run]:
    """Reads all runs, the oldest first."""
    store = _open(file)
    return [_read_run(store, n, c) for n, c in enumerate(_run_contexts(store), start=1)]


def read_run(file: str, run_id: str) -> Run:
    """Reads one run; raises KeyError where ML Metadata has no such run."""
    store = _open(file)
    for number, context in enumerate(_run_contexts(store), start=1):
        if context.name == run_id:
            return _read_run(store, number, context)
    raise KeyError(run_id)


def run_numbered(runs: list, number: int | None):
    """Returns the run, or the record, with this number; the newest for None.

    Raises:
      InputError: there is no such run.
    """
    if not runs:
        raise InputError("There is no run yet.")
    if number is None:
        return runs[-1]
    if not 1 <= number <= len(runs):
        raise InputError(f"There is no run {number}; they are numbered 1 to {len(runs)}.")
    return runs[number - 1]


def producer(store, artifact: int) -> mlmd.Execution | None:
    """Returns the first execution whose output is the artifact."""
    executions = _givers(store, artifact)
    return store.get_executions_by_id([min(executions)])[0] if executions else None


def input_of(store, execution: mlmd.Execution | None, key: str) -> int | None:
    """Returns the id of the execution's first input artifact under a key."""
    if execution is None:
        return None
    events = store.get_events_by_execution_ids([execution.id])
    taken = (e for e in events if e.type == mlmd.Event.INPUT and _key(e) == key)
    return next((event.artifact_id for event in taken), None)


def given_with(store, artifact: int, key: str) -> mlmd.Artifact:
    """Returns the output under a key of the executions whose output is the artifact."""
    events = store.get_events_by_execution_ids(_givers(store, artifact))
    (beside,) = {e.artifact_id for e in events if e.type == mlmd.Event.OUTPUT and _key(e) == key}
    return store.get_artifacts_by_id([beside])[0]


def _givers(store, artifact: int) -> list[int]:
    """Returns the executions whose output is the artifact: one that ran, the others from the cache."""
    events = store.get_events_by_artifact_ids([artifact])
    return [event.execution_id for event in events if event.type == mlmd.Event.OUTPUT]


def _open(file: str) -> metadata_store.MetadataStore:
    _tables(file)
    connection = mlmd.ConnectionConfig()
    connection.sqlite.filename_uri = file
    connection.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READONLY
    return metadata_store.MetadataStore(connection)


def _tables(file: str | pathlib.Path) -> int:
    """Counts the tables, and undoes the transaction that a killed process left half-written.

    ML Metadata's read-only access can do neither. SQLite itself knows whether a journal is of a process
    that is still at work.

    Raises:
      InputError: the file cannot be read.
    """
    with contextlib.closing(sqlite3.connect(file)) as database:
        try:
            return database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"{file}, which holds the ML Metadata of all runs, cannot be read: {error}. Restore it "
                "from a copy, or pass another --output."
            ) from None


def _run_contexts(store: metadata_store.MetadataStore) -> list[mlmd.Context]:
    return sorted(store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)


def _read_run(store: metadata_store.MetadataStore, number: int, context: mlmd.Context) -> Run:
    executions = sorted(store.get_executions_by_context(context.id), key=lambda e: e.id)
    events = store.get_events_by_execution_ids([e.id for e in executions]) if executions else []
    artifacts = {a.id: a for a in store.get_artifacts_by_id({e.artifact_id for e in events})}
    return Run(
        number,
        context.name,
        context.create_time_since_epoch / 1000,
        # A Resolver that runs again is a new execution, the last of which counts; others have one.
        {_node(store, e): _stage(e, events, artifacts) for e in executions},
    )


def _node(store: metadata_store.MetadataStore, execution: mlmd.Execution) -> str:
    (name,) = [c.name for c in store.get_contexts_by_execution(execution.id) if c.type == "node"]
    return name.rpartition(".")[2]


def _stage(execution: mlmd.Execution, events: list, artifacts: dict[int, mlmd.Artifact]) -> Stage:
    sides: dict[int, dict[str, list[Artifact]]] = {mlmd.Event.INPUT: {}, mlmd.Event.OUTPUT: {}}
    for event in events:
        if event.execution_id == execution.id and event.type in sides:
            artifact = artifacts[event.artifact_id]
            properties = _plain(artifact.properties) | _plain(artifact.custom_properties)
            sides[event.type].setdefault(_key(event), []).append(Artifact(artifact.uri, properties))
    spent = execution.last_update_time_since_epoch - execution.create_time_since_epoch
    return Stage(
        state=mlmd.Execution.State.Name(execution.last_known_state),
        seconds=spent / 1000,
        parameters=_plain(execution.custom_properties),
        inputs=sides[mlmd.Event.INPUT],
        outputs=sides[mlmd.Event.OUTPUT],
    )


def _key(event: mlmd.Event) -> str:
    return event.path.steps[0].key


def _plain(properties) -> dict[str, Any]:
    return {name: getattr(v, v.WhichOneof("value")) for name, v in properties.items()}

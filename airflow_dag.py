r"""Airflow 3 DAGs of the pipeline, one for each NAME.graph.json that is beside this file.

Copy this file into a dags folder and write the graphs there, from the project's own environment:

    bert-tfx compile airflow --task mrpc --data DIR --output DIR \
        --graph DAGS/mrpc.graph.json

or name one graph in the environment variable BERT_TFX_GRAPH of all of Airflow's processes. Airflow needs
no TFX: it reads the graph, and every task is a command in the environment that wrote it. See
pipeline/orchestrators/graph.py for what the graph holds.
"""

import datetime
import importlib.util
import json
import os
import pathlib
import shlex

RETRIES = 1
RETRY_DELAY = datetime.timedelta(minutes=5)
COMPILE_TIMEOUT = datetime.timedelta(hours=1)

# JSON Schema's names, as the form for a run checks them.
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}

_DOCUMENTATION = """\
Fine-tunes BERT for **{task}**: data in, a judged and versioned model in `{output}/serving/{task}` out.

`compile` reads the data, the code and the parameters of the run; then each stage of the pipeline is a
task. Stages whose inputs did not change take their results from the cache, shared with the local runner.

* **Pusher is skipped** when the gate refused the model; its log has the table of metrics.
* **After a failure**: fix the cause and clear the failed task with all tasks after it. After changed
  data or code clear `compile` and all tasks after it. TFX's run id is Airflow's, and `RUN_ID~N` from
  the second compilation on. Bad input fails at once; other faults are tried again {retries} time(s).
* **Pools**: {pools}. Until a pool exists, its tasks wait.
* One run at a time: a stage waits while another run is at work in the same output, and the local runner
  refuses to begin.
"""


def graph_files() -> list[pathlib.Path]:
    """Returns the files of the graphs to make DAGs of.

    Raises:
      FileNotFoundError: there is none, which Airflow shows as an import error.
    """
    named = os.environ.get("BERT_TFX_GRAPH")
    here = pathlib.Path(__file__).parent
    files = [pathlib.Path(named)] if named else sorted(here.glob("*.graph.json"))
    missing = [str(file) for file in files if not file.is_file()]
    if missing or not files:
        raise FileNotFoundError(
            f"{', '.join(missing) or f'{here}/*.graph.json'}: no such graph. Write one with "
            "`bert-tfx compile airflow ... --graph FILE` in the project's environment."
        )
    return files


def dag_id(file: pathlib.Path) -> str:
    """Returns the id of a graph's DAG: the name of its file without .graph.json."""
    return file.name.removesuffix(".json").removesuffix(".graph")


def compile_command(graph: dict, file: pathlib.Path) -> str:
    """Returns the first task's command, a Jinja template with the run's parameters."""
    settings = [name for name in graph["parameters"] if name not in ("data", "encoder")]
    again = "{{ '~%d' % ti.try_number if ti.try_number > 1 else '' }}"
    return " ".join(
        [
            "exec",
            shlex.join(graph["compile"]),
            "--data {{ params.data | quote }} --encoder {{ params.encoder | quote }}",
            *(f"--set {name}={{{{ params.{name} | quote }}}}" for name in settings),
            f"--run-id {{{{ run_id | quote }}}}{again} --graph {_run_graph(graph)}",
            f"--same-stages-as {shlex.quote(str(file.absolute()))}",
        ]
    )


def node_command(graph: dict, node: str) -> str:
    """Returns the command of a stage's task, a Jinja template with the run's id."""
    return f"exec {shlex.join(graph['nodes'][node]['command'])} --graph {_run_graph(graph)}"


def _run_graph(graph: dict) -> str:
    folder = shlex.quote(f"{graph['output']}/airflow/")
    return f"{folder}{{{{ run_id | quote }}}}.graph.json"


def parameters(graph: dict) -> dict[str, dict]:
    """Returns the default and the JSON Schema type of each parameter that a run may be given."""
    return {
        name: {"default": value, "type": _TYPES[type(value)]}
        for name, value in graph["parameters"].items()
    }


def documentation(graph: dict) -> str:
    """Returns the DAG's documentation, in Markdown."""
    pools = sorted({facts["pool"] for facts in graph["nodes"].values() if facts["pool"]})
    commands = [f"`airflow pools set {pool} 1 'one slot per {pool.upper()}'`" for pool in pools]
    return _DOCUMENTATION.format(
        **{key: graph[key] for key in ("task", "output")},
        retries=RETRIES,
        pools="; ".join(commands) or "none",
    )


def make_dag(file: pathlib.Path):
    """Makes the DAG of one graph: `compile`, then a task for each stage."""
    from airflow.sdk import DAG, Param

    graph = json.loads(file.read_text())
    with DAG(
        dag_id=dag_id(file),
        description=f"Fine-tunes BERT for {graph['task']}, judges it and pushes it",
        doc_md=documentation(graph),
        tags=["tfx", "bert", graph["task"]],
        schedule=graph["schedule"],
        start_date=datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
        catchup=False,
        max_active_runs=1,
        max_active_tasks=1,  # ML Metadata's SQLite file has one writer.
        params={name: Param(**facts) for name, facts in parameters(graph).items()},
        user_defined_filters={"quote": lambda value: shlex.quote(str(value))},
        default_args={
            "cwd": graph["directory"],
            "env": {"PYTHONPATH": ""},  # Airflow's own packages are for another Python.
            "append_env": True,
            "skip_on_exit_code": graph["exit_codes"]["skipped"],
            "retries": RETRIES,
            "retry_delay": RETRY_DELAY,
        },
    ) as dag:
        _add_tasks(graph, file)
    return dag


def _add_tasks(graph: dict, file: pathlib.Path) -> None:
    operator = _operator(graph["exit_codes"]["bad_input"])
    first = operator(
        task_id="compile",
        bash_command=compile_command(graph, file),
        execution_timeout=COMPILE_TIMEOUT,
    )
    tasks = {
        node: operator(
            task_id=node,
            bash_command=node_command(graph, node),
            execution_timeout=datetime.timedelta(hours=facts["timeout_hours"]),
            **({"pool": facts["pool"]} if facts["pool"] else {}),
        )
        for node, facts in graph["nodes"].items()
    }
    for node, facts in graph["nodes"].items():
        tasks[node].set_upstream([tasks[name] for name in facts["upstream"]] or [first])


def _operator(bad_input: int) -> type:
    """Returns a BashOperator that is not tried again after the exit code of bad input."""
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    class Stage(BashOperator):
        def execute(self, context):
            try:
                return super().execute(context)
            except AirflowSkipException:
                raise
            except Exception:
                if self.subprocess_hook.sub_process.returncode == bad_input:
                    raise AirflowFailException(
                        "Bad input; the lines above say what to do."
                    ) from None
                raise

    return Stage


# Tests of what needs no Airflow import this file too.
if importlib.util.find_spec("airflow"):
    for _file in graph_files():
        globals()[dag_id(_file)] = make_dag(_file)

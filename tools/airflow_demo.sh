#!/usr/bin/env bash
# Runs the pipeline once in Airflow; `make airflow-demo` calls it. Usage:
#
#   tools/airflow_demo.sh TASK --data DIR --output DIR [what else `bert-tfx compile` takes]
#
# Airflow gets its own environment, SQLite database and dags folder in .airflow/. On a terminal it stays up
# after the run until Ctrl-C. PORT=8080 is where its page is. LOCK=1 only resolves locks/airflow.in again.
#
# Exit codes: 0 the run succeeded (the gate may have refused the model: Pusher is skipped then); 1 otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TASK=${1:-mrpc} PORT=${PORT:-8080}
readonly HOME_DIR=$PWD/.airflow VENV=.airflow/venv LOCK_FILE=locks/airflow.txt LOG=.airflow/airflow.log
shift || true

say() { printf 'airflow-demo: %s\n' "$*"; }
die() { printf 'airflow-demo: %s\n' "$@" >&2; exit 1; }

[[ -x .venv/bin/uv ]] || die "there is no .venv yet; remedy: make setup"
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV
eval "$(.venv/bin/python -m pip config list | .venv/bin/python tools/pip_to_uv.py)"

# One lock for Python 3.10 and 3.11: Airflow runs on the interpreter that .venv was made with.
if [[ ${LOCK:-} ]]; then
  unset UV_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS
  exec .venv/bin/uv pip compile locks/airflow.in --universal --python-version 3.10 --generate-hashes \
    --no-annotate --quiet --custom-compile-command "LOCK=1 tools/airflow_demo.sh" --output-file $LOCK_FILE
fi

install() {
  local stamp
  stamp=$(sha256sum $LOCK_FILE | cut -d ' ' -f 1)
  [[ -f $VENV/lock.sha256 && $(<$VENV/lock.sha256) == "$stamp" ]] && return
  say "installing Airflow into $VENV"
  .venv/bin/uv venv --quiet --clear --python "$(.venv/bin/python -c 'import sys; print(sys.base_prefix)')/bin/python3" $VENV
  .venv/bin/uv pip sync --quiet --python $VENV/bin/python --require-hashes --compile-bytecode $LOCK_FILE
  printf '%s' "$stamp" >$VENV/lock.sha256
}

# Everyone who reaches the page is its administrator, so it listens on this machine only.
settings() {
  export AIRFLOW_HOME=$HOME_DIR
  export AIRFLOW__CORE__DAGS_FOLDER=$HOME_DIR/dags
  export AIRFLOW__CORE__LOAD_EXAMPLES=False
  export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=True
  export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=http://127.0.0.1:$PORT/execution/
  export AIRFLOW__API__HOST=127.0.0.1
  export AIRFLOW__API__PORT=$PORT
  export AIRFLOW__API__WORKERS=1 AIRFLOW__CORE__PARALLELISM=2
  export AIRFLOW__API__BASE_URL=http://127.0.0.1:$PORT
  export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False
  export PATH=$PWD/$VENV/bin:$PATH
}

install_dag() {
  mkdir -p .airflow/dags
  cp airflow_dag.py .airflow/dags/
  .venv/bin/bert-tfx compile airflow --task "$TASK" --graph ".airflow/dags/$TASK.graph.json" "$@"
}

start() {
  ! (: <"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null || die "port $PORT is taken; pass another: PORT=8081 make airflow-demo"
  say "starting Airflow; its log is $LOG"
  airflow db migrate &>$LOG
  airflow pools set gpu 1 "one slot a GPU" &>>$LOG
  set -m # a process group of its own, which can be stopped as a whole
  airflow standalone &>>$LOG </dev/null &
  airflow_pid=$!
  set +m
  trap stop EXIT
  trap 'exit 130' INT TERM
}

stop() {
  say "stopping Airflow"
  kill -TERM -- "-$airflow_pid" 2>/dev/null || true
  wait "$airflow_pid" 2>/dev/null || true
}

# Starts a run as soon as Airflow has read the DAG, shows each task as it ends, and waits for the outcome.
run() {
  .venv/bin/python - "$PORT" "$TASK" <<'PYTHON'
import json, sys, time, urllib.error, urllib.request

port, dag = sys.argv[1:]
page, PATIENCE_SECONDS = f"http://127.0.0.1:{port}", 300
open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
token = None


def ask(path, body=None, method=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(page + path, data, headers, method=method)
    return json.load(open_url(request, timeout=PATIENCE_SECONDS))


def until_it_answers(*arguments, **named):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask(*arguments, **named)
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"airflow-demo: no answer on {arguments[0]} in {PATIENCE_SECONDS} s ({error})")
            time.sleep(2)


token = until_it_answers("/auth/token")["access_token"]
until_it_answers(f"/api/v2/dags/{dag}", {"is_paused": False}, method="PATCH")
run = ask(f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"]
print(f"airflow-demo: {page}/dags/{dag}/runs/{run}", flush=True)
shown = {}
while True:
    state = until_it_answers(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"]
    tasks = until_it_answers(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
    for task in sorted(tasks, key=lambda task: task["end_date"] or ""):
        name, ended = task["task_id"], task["state"]
        if ended in ("success", "failed", "skipped", "upstream_failed", "up_for_retry"):
            if shown.get(name) != (ended, task["try_number"]):
                shown[name] = ended, task["try_number"]
                print(f"  {ended:<16} {name:<18} {task['duration'] or 0:6.1f} s", flush=True)
    if state in ("success", "failed"):
        pushed = shown.get("Pusher", ("",))[0]
        print(f"airflow-demo: the run is a {state}" + (", nothing was pushed" if pushed != "success" else ", the model was pushed"))
        sys.exit(state != "success")
    time.sleep(3)
PYTHON
}

install
settings
install_dag "$@"
start
run && outcome=0 || outcome=1
if [[ -t 0 ]]; then
  say "Airflow stays at http://127.0.0.1:$PORT until Ctrl-C"
  wait "$airflow_pid" || true
fi
exit $outcome

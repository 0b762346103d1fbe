"""The page of a run, and the table of all runs."""

import copy
import dataclasses
import html.parser
import math
import pathlib
import re
import shutil

import pytest
import tensorflow_model_analysis as tfma
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from components.data.drift_gate import Distance
from components.evaluation.comparison import Answer, ComparedExample
from components.evaluation.intervals import ANYTHING, UNKNOWN, Interval
from components.evaluation.tensorboard import _cell
from components.evaluation.tfma_results import metrics_by_slice
from components.preprocessing.target_gate import Unusable
from pipeline.cli.main import main
from pipeline.report.charts import line_chart
from pipeline.report.evaluation import Bar, SliceGroup, slice_groups
from pipeline.report.page import Drawn, example_groups, render, write_report
from pipeline.runs.history import record_of
from pipeline.runs.metadata import metadata_file, read_runs, run_numbered
from pipeline.runs.record import Change, Measured, Sliced
from tests.conftest import Project

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</article></script><svg/onload=alert(3)>",
    "{{ 7 * 7 }} {% raw %} ' onmouseover='alert(4)",
)

DASH = "\N{EN DASH}"


class Elements(html.parser.HTMLParser):
    """What a browser makes of a page: elements, their attributes, and the text outside of scripts."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.text, self.scripts = "", []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.found and self.found[-1][0] == "script" and self.lasttag == "script":
            self.scripts.append(data)
        else:
            self.text += data


@pytest.fixture(scope="module")
def record(runs):
    return record_of("mrpc", runs[0])


@pytest.fixture(scope="module")
def runs(project, first_run):
    return read_runs(metadata_file(str(project.root / "output"), "mrpc")[1])


def _hostile_examples() -> list[ComparedExample]:
    return [
        ComparedExample(
            {"sentence1": text, "sentence2": text},
            text,
            Answer(text, 0.9, right=right),
            Answer(text, 0.8, right=not right),
        )
        for text in HOSTILE
        for right in (True, False)
    ]


def test_a_run_ends_with_its_report(project, first_run):
    path = re.search(r"^ *report +(\S+)$", first_run.stdout, re.MULTILINE)[1]
    text = Elements(pathlib.Path(path).read_text()).text
    accuracy = re.search(r"^ *accuracy +(0\.\d+)", first_run.stdout, re.MULTILINE)[1]
    assert re.search(rf"accuracy {accuracy} .*within .*≥ 0\.1000\b", text)
    assert "Pushed" in text and str(project.versions()[0]) in text
    for part in (
        "No anomalies",
        "None above",
        "sentence2",
        "Trainer",
        "learning_rate",
        "ROC",
        "Calibration",
    ):
        assert part in text, part


def test_the_page_loads_nothing_and_runs_only_its_own_script(record):
    chart = line_chart(HOSTILE[0], HOSTILE[1], HOSTILE[2], {HOSTILE[3]: [(0.0, 0.0), (1.0, 1.0)]})
    refused = Measured(HOSTILE[0], 0.5, Interval(0.2, 0.8), None, None, 0.6, HOSTILE[3])
    slices = [SliceGroup(HOSTILE[0], HOSTILE[1], [Bar(HOSTILE[2], 30, refused, True)])]
    page = render(
        record=dataclasses.replace(record, task="mrpc" + HOSTILE[0]),
        started=HOSTILE[1],
        evaluation=Drawn(slices, None, [chart]),
        example_groups=example_groups(_hostile_examples()),
        curves=[],
        counts=[],
        anomalies=[HOSTILE[2]],
        unusable=[Unusable(HOSTILE[0], 1, 2, [HOSTILE[1]])],
        distances=[Distance(HOSTILE[0], HOSTILE[1], HOSTILE[2], HOSTILE[3], 0.2, 0.1)],
    )
    elements = Elements(page)
    tags = [tag for tag, _ in elements.found]
    assert tags.count("script") == 1 and not {"img", "link", "iframe"} & set(tags)
    assert "alert" not in elements.scripts[0]
    for _, attributes in elements.found:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "href")]
    for text in HOSTILE:  # as it stands in the data, for a person to read
        assert text in elements.text
    policy = next(
        a["content"] for _, a in elements.found if "content" in a and "src" in a["content"]
    )
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy


def test_a_metric_that_a_slice_tells_nothing_of_has_no_bar():
    """TFMA's AUC is 0 over examples of one class."""
    unknown = Measured("auc", 0.0, Interval(math.nan, math.nan), None, None, None, None)
    known = Measured("accuracy", 0.8, Interval(0.7, 0.9), None, None, None, None)
    (group,) = slice_groups([Sliced("label", "1", 40, [known, unknown], True)])
    assert (group.metric, [bar.metric for bar in group.bars]) == ("accuracy", [known])


def test_what_the_examples_do_not_tell_is_a_dash(record, runs, tmp_path):
    """As precision where a model says of no example that it is of the class."""
    untold = Measured("f1", math.nan, UNKNOWN, math.nan, Change(math.nan, ANYTHING), 0.1, None)
    untold = dataclasses.replace(record, metrics=[untold], slices=[])
    page = pathlib.Path(write_report(untold, runs[0], str(tmp_path))).read_text()
    assert re.search(rf"baseline: unknown \({DASH}, 95%.* {DASH}\)", page)
    assert re.search(rf"<tr><td>f1(<td[^>]*>{DASH}){{2}}<td[^>]*>≥ 0\.1000", page)


def test_examples_are_grouped_by_who_was_right():
    def compared(name, candidate, baseline, confidence=0.5):
        theirs = None if baseline is None else Answer("1", 0.5, baseline)
        return ComparedExample({"sentence1": name}, "1", Answer("0", confidence, candidate), theirs)

    examples = [
        compared("lost", False, True, 0.6),
        compared("lost, and sure of it", False, True, 0.9),
        compared("won", True, False),
        compared("both wrong", False, False),
        compared("both right", True, True),
    ]
    groups = [[r.text["sentence1"] for r in group.examples] for group in example_groups(examples)]
    assert groups == [["lost, and sure of it", "lost"], ["won"], ["both wrong"]]
    (alone,) = example_groups([compared("wrong", False, None), compared("right", True, None)])
    assert [r.text["sentence1"] for r in alone.examples] == ["wrong"] and alone.count == 1


def test_metrics_are_those_that_tfma_itself_reads(runs):
    folder = runs[0].evaluation
    theirs = {
        tuple((name, str(value)) for name, value in key): {
            metric: float(value["doubleValue"])
            for by_class in outputs.values()
            for metrics in by_class.values()
            for metric, value in metrics.items()
            if "doubleValue" in value
        }
        for key, outputs in tfma.load_eval_result(folder).slicing_metrics
    }
    ours = metrics_by_slice(folder, "candidate")
    assert ours.keys() == theirs.keys() and len(ours) > 1
    for key, values in ours.items():
        assert values == pytest.approx(theirs[key], nan_ok=True)
    assert metrics_by_slice(folder, "baseline") == {}


def test_tensorboard_has_the_metrics_and_examples_with_their_answers(runs):
    run = runs[0]
    model_run = run.stages["Trainer"].output("model_run").uri
    events = EventAccumulator(f"{model_run}/evaluation/{pathlib.Path(run.evaluation).name}")
    events.Reload()
    ((accuracy,),) = (events.Tensors("evaluation/accuracy"),)
    expected = metrics_by_slice(run.evaluation, "candidate")[()]["accuracy"]
    assert tensor_util.make_ndarray(accuracy.tensor_proto) == pytest.approx(expected)
    ((answers,),) = (events.Tensors("answers"),)
    header, _, *rows = answers.tensor_proto.string_val[0].decode().splitlines()
    assert header == "| sentence1 | sentence2 | label | answer |" and len(rows) == 20
    probabilities = [float(p) for p in rows[0].split("|")[-2].split()]
    assert sum(probabilities) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_no_markup_in_tensorboard(text):
    cell = _cell(f"a | {text}\n\nb".encode())
    assert not set("<>|\n") & set(cell)


def test_the_command_adds_the_examples_that_the_gate_counted_as_wrong(project, runs):
    run = project.run(
        "-m", "pipeline.cli", "report", "--output", "output", "--task", "mrpc", "--run", "1"
    )
    assert run.returncode == 0, run.stderr
    page = pathlib.Path(run.stdout.strip()).read_text()
    accuracy = float(re.search(r"accuracy</b> (0\.\d+)", page)[1])
    count = int(re.search(r"<td>examples<td class=\"n\">(\d+)", page)[1])
    wrong = round((1 - accuracy) * count)
    assert wrong and page.count("<article>") == wrong


def test_the_table_of_runs(project: Project, runs, capsys):
    def shown(*arguments: str) -> tuple[int, str]:
        where = ("--output", str(project.root / "output"), "--task", "mrpc")
        return main(["runs", *where, *arguments]), "".join(capsys.readouterr())

    code, table = shown()
    first = next(line for line in table.splitlines() if re.match(r" +1 ", line))
    assert code == 0
    assert re.search(r"data \w{6} .*encoder( +0\.\d{4}){3} +pushed +\d{10}", first)
    code, differences = shown("--compare", "1", "1")
    assert code == 0 and "epochs" not in differences
    code, error = shown("--compare", "1", "9999")
    assert code == 2 and "no run 9999" in error


@pytest.mark.parametrize(
    ("stage", "property_name", "value", "heading", "said"),
    [
        ("Evaluator", "blessed", 0, "Refused by the gate", "Nothing was pushed"),
        (
            *("ServingCheck", "reason", "It answers <nothing>."),
            *("Refused by ServingCheck", "It answers &lt;nothing&gt;."),
        ),
    ],
)
def test_a_refused_run_says_why(runs, tmp_path, stage, property_name, value, heading, said):
    """ML Metadata as it would be, had the stage refused the first run."""
    refused = copy.deepcopy(runs[0])
    assert record_of("mrpc", refused).verdict == "pushed"
    refused.stages[stage].outputs["blessing"][0].properties[property_name] = value
    refused.stages["Pusher"].outputs["pushed_model"][0].properties["pushed"] = 0
    record = record_of("mrpc", refused)
    page = pathlib.Path(write_report(record, refused, str(tmp_path))).read_text()
    assert f">{heading}<" in page and said in page


def test_a_run_that_broke_off_has_a_page_too(runs, tmp_path):
    stages = dict(runs[0].stages)
    stages = {name: stages[name] for name in list(stages)[:5]}
    stages["DataGate"] = dataclasses.replace(stages["DataGate"], state="FAILED")
    broken = dataclasses.replace(runs[0], stages=stages)
    record = record_of("mrpc", broken)
    assert record.verdict == "failed" and record.stopped_in == "DataGate"
    page = pathlib.Path(write_report(record, broken, str(tmp_path))).read_text()
    assert "ended in DataGate" in page


def test_where_there_is_nothing_to_show(tmp_path, project, runs):
    from components.common.errors import InputError

    with pytest.raises(InputError, match=rf"{tmp_path} .*no run.*--output"):
        metadata_file(str(tmp_path), None)
    (tmp_path / "metadata").mkdir()
    file = project.root / "output" / "metadata" / "mrpc.sqlite"
    only = shutil.copy(file, tmp_path / "metadata" / "mrpc.sqlite")
    assert metadata_file(str(tmp_path), None) == ("mrpc", str(only))
    shutil.copy(file, tmp_path / "metadata" / "squad.sqlite")
    with pytest.raises(InputError, match="--task mrpc or squad"):
        metadata_file(str(tmp_path), None)
    with pytest.raises(InputError, match=r"no run 0\b.* 1 to \d"):
        run_numbered(runs, 0)

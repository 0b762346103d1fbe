"""Intervals against numbers from the literature and by simulation, and the gate's error rates.

All draws are seeded: a test gives the same numbers each time it runs.
"""

import importlib
import math
import pickle

import numpy as np
import pytest
import tensorflow_model_analysis as tfma

from components.evaluation import estimators, intervals
from components.evaluation.metrics.sequence_classification import (
    ACCURACY,
    AUC,
    F1,
    PRECISION,
    RECALL,
)
from components.evaluation.paired import _Intervals
from components.spec.registry import load_task

# Of the MRPC test split, and a pair of models as they differ from seed to seed.
ROWS, POSITIVE_SHARE, ONLY_ONE_RIGHT, BOTH_RIGHT = 1725, 0.665, 0.10, 0.77


@pytest.mark.parametrize(
    ("hits", "rows", "expected"),
    [  # Newcombe (1998), Statistics in Medicine 17, page 857-872, table I, method 3
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_the_interval_of_a_fraction(hits, rows, expected):
    assert intervals.of_fraction(hits, rows, 0.95) == pytest.approx(expected, abs=5e-5)


def test_the_interval_of_a_change_of_fractions():
    """The approval ratings of Agresti (2002), table 10.1: 150 and 86 of 1600 changed their mind."""
    interval = intervals.of_fraction_change(gained=86, lost=150, n_examples=1600, confidence=0.95)
    assert interval == pytest.approx((-0.0587, -0.0212), abs=5e-5)


def test_the_interval_of_a_mean():
    values = np.array([0.0, 0.5, 1.0, 1.0, 0.25])
    half = 1.959964 * values.std(ddof=1) / math.sqrt(5)
    interval = intervals.of_mean(values.sum(), (values**2).sum(), 5, 0.95)
    assert interval == pytest.approx((values.mean() - half, values.mean() + half))


@pytest.mark.parametrize(("figure", "hits", "rows"), [(RECALL, 60, 60), (PRECISION, 60, 78)])
def test_precision_and_recall_have_the_interval_of_a_fraction(figure, hits, rows):
    """Of 60 of 60, too, where a bootstrap would find nothing but 1."""
    cells = np.zeros((2, 2, 2))
    cells[1, 1, 1], cells[0, 1, 1], cells[0, 0, 0] = 60, 18, 22
    assert figure.interval(cells, 0.95) == intervals.of_fraction(hits, rows, 0.95)


@pytest.mark.parametrize("figure", [ACCURACY, F1, AUC])
def test_without_examples_nothing_is_known(figure):
    assert all(math.isnan(bound) for bound in figure.change(figure.empty(), 0.95))


def test_examples_that_are_all_of_the_other_class_tell_nothing_of_f1():
    """As in a slice by the label."""
    cells = np.zeros((2, 2, 2))
    cells[0, 0, 0], cells[0, 1, 1] = 90, 39
    assert all(math.isnan(bound) for bound in F1.interval(cells, 0.95))
    cells[1, 0, 0] = 1
    assert F1.interval(cells, 0.95).lower == 0


def test_two_models_that_answer_alike_are_the_same():
    cells = np.zeros((2, 2, 2))
    cells[1, 1, 1], cells[1, 0, 0], cells[0, 1, 1], cells[0, 0, 0] = 200, 30, 50, 120
    assert F1.change(cells, 0.95) == (0, 0)


def test_f1_over_few_examples_of_the_class_has_an_interval_but_no_verdict():
    cells = np.zeros((2, 2, 2))
    cells[1, 1, 1], cells[1, 0, 0], cells[0, 0, 0] = 3, 2, 95
    lower, upper = F1.interval(cells, 0.95)
    assert 0 <= lower < 0.75 < upper <= 1
    assert not F1.change(cells, 0.95).is_known
    cells[1, 1, 1] = 8
    assert F1.change(cells, 0.95) == (0, 0)


@pytest.mark.parametrize(("rows", "right"), [(100, 0.85), (408, 0.85), (408, 0.99), (ROWS, 0.9)])
def test_the_interval_of_f1_holds_the_true_one_as_often_as_stated(rows, right):
    """In 95 % of 2,000 draws, or more where few are wrong."""
    shares = np.array([[right, 1 - right], [1 - right, right]])
    shares *= np.array([[1 - POSITIVE_SHARE], [POSITIVE_SHARE]])
    wanted = estimators.f1_of_class(shares)
    drawn = np.random.default_rng(5).multinomial(rows, shares.ravel(), size=2000)
    cells = np.zeros((2000, 2, 2, 2))
    cells[..., 0] = drawn.reshape(-1, 2, 2)
    found = [F1.interval(c, 0.95) for c in cells]
    held = np.mean([lower <= wanted <= upper for lower, upper in found])
    assert held > 0.935


def test_perfect_answers_to_few_examples_do_not_promise_perfection():
    cells = np.zeros((2, 2, 2))
    cells[1, 1, 1], cells[0, 0, 0] = 80, 40
    assert F1.interval(cells, 0.95).upper == 1 and 0.95 < F1.interval(cells, 0.95).lower < 0.99
    area = [(True, 0.9, 0.9)] * 80 + [(False, 0.1, 0.1)] * 40
    assert AUC.interval(area, 0.95) == intervals.of_fraction(40, 40, 0.95)


@pytest.mark.parametrize("rows", [10, 11, 30])
def test_a_change_stays_within_what_a_metric_can_change(rows):
    lost_all = np.array([rows, 0, 0, -rows, rows], float)
    assert ACCURACY.change(lost_all, 0.95).lower == -1
    right, wrong = np.array([1]), np.array([[0.0, 1.0]])
    sums = sum(ACCURACY.outcome(right, 1 - wrong, wrong, None) for _ in range(rows))
    assert ACCURACY.change(sums, 0.95).lower == -1
    worse = [(True, 0.1, 0.9)] * rows + [(False, 0.9, 0.1)] * rows
    assert AUC.change(worse, 0.95).lower >= -1


@pytest.mark.parametrize("rows", [1, 9])
def test_fewer_than_ten_examples_give_no_verdict(rows):
    assert not ACCURACY.change(np.array([rows, rows, rows, rows, rows], float), 0.95).is_known
    assert not AUC.change([(True, 0.9, 0.1)] * rows + [(False, 0.5, 0.5)] * 90, 0.95).is_known
    cells = np.zeros((2, 2, 2))
    cells[1, 1, 0], cells[0, 0, 0] = rows, 90
    assert not F1.change(cells, 0.95).is_known


def test_what_is_not_defined_is_no_zero_and_meets_a_bound():
    """As AUC and F1 where a slice has one class only."""
    value, judged = (
        tfma.metrics.MetricKey(name=f"auc_{end}", model_name="candidate")
        for end in ("value", "judged")
    )
    combiner = _Intervals({}, {judged: math.inf}, value, AUC, 0.95, 1, None)
    found = combiner.extract_output([(False, 0.2, 0.1)] * 60)
    assert math.isnan(found[value]) and found[judged] == math.inf


def draw(only_candidate: float, rows: int = ROWS, draws: int = 1000) -> np.ndarray:
    """Counts of [label, candidate, baseline], each 1 where it is the class: [draws, 2, 2, 2].

    Whether an answer is right does not depend on the example's class.

    Args:
      only_candidate: fraction of examples that the candidate alone has right.
    """
    neither = 1 - BOTH_RIGHT - ONLY_ONE_RIGHT
    right = np.array([[neither, ONLY_ONE_RIGHT - only_candidate], [only_candidate, BOTH_RIGHT]])
    shares = np.stack([(1 - POSITIVE_SHARE) * right[::-1, ::-1], POSITIVE_SHARE * right])
    generator = np.random.default_rng(1)
    return generator.multinomial(rows, shares.ravel(), size=draws).reshape(draws, 2, 2, 2)


def refused(cells: np.ndarray) -> np.ndarray:
    """Whether the gate refuses each draw for its accuracy and for its F1: [draws, 2]."""
    confidence = load_task("mrpc").confidence
    gained = cells[:, 1, 1, 0] + cells[:, 0, 0, 1]
    lost = cells[:, 1, 0, 1] + cells[:, 0, 1, 0]
    rows = int(cells[0].sum())
    return np.array(
        [
            (
                intervals.of_fraction_change(g, n, rows, confidence).upper < 0,
                F1.change(c, confidence).upper < 0,
            )
            for g, n, c in zip(gained, lost, cells)
        ]
    )


@pytest.mark.parametrize("rows", [408, ROWS])
def test_an_equal_model_is_refused_as_seldom_as_stated(rows):
    """2.5 % of the time in a metric, of which 1,000 draws show 1.5 to 3.5 %; 5 % in two."""
    share = refused(draw(only_candidate=ONLY_ONE_RIGHT / 2, rows=rows))
    assert (share.mean(axis=0) < 0.035).all()
    assert share.any(axis=1).mean() < 0.05


def test_a_loss_of_three_points_is_refused():
    """95 % of the time or more, on 1,725 examples of which one in ten tells the models apart."""
    share = refused(draw(only_candidate=(ONLY_ONE_RIGHT - 0.03) / 2))
    assert (share.mean(axis=0) > 0.95).all()


def scored(generator, rows: int, candidate_noise: float, baseline_noise: float) -> np.ndarray:
    """Labels, and two models' probabilities of the class, that share half of what misleads them."""
    labels = generator.random(rows) < POSITIVE_SHARE
    shared = generator.standard_normal(rows)
    odds = [
        3 * labels - 1.2 + (shared + generator.standard_normal(rows)) * noise
        for noise in (candidate_noise, baseline_noise)
    ]
    return np.stack([labels, *(1 / (1 + np.exp(-np.array(odds))))], axis=1)


def area(answers: np.ndarray, model: int) -> float:
    """The fraction of pairs, of the class and not, of which model 1 or 2 scores the first higher."""
    of_class = answers[:, 0] == 1
    return float(np.mean(answers[of_class, model, None] > answers[~of_class, model]))


def test_the_area_and_its_intervals_are_those_of_all_pairs_of_examples():
    answers = scored(np.random.default_rng(2), 400, 1.3, 1.0)
    sums = AUC.empty()
    for label, c, b in answers:
        label = np.array(int(label))
        sums += AUC.outcome(label, np.array([1 - c, c]), np.array([[1 - b, b]]), 1)
    assert AUC.n_examples(sums) == 400
    assert AUC.value(sums) == pytest.approx(area(answers, 1))
    generator = np.random.default_rng(3)
    redrawn = [answers[generator.integers(400, size=400)] for _ in range(1000)]
    values = np.array([[area(rows, 1), area(rows, 2)] for rows in redrawn])
    single = np.quantile(values[:, 0], [0.025, 0.975])
    change = np.quantile(values[:, 0] - values[:, 1], [0.025, 0.975])
    assert AUC.interval(sums, 0.95) == pytest.approx(single, abs=5e-3)
    assert AUC.change(sums, 0.95) == pytest.approx(change, abs=5e-3)


def test_an_area_is_never_beyond_1():
    labels_and_scores = [(True, 0.9, 0.9), (True, 0.4, 0.9), (False, 0.5, 0.1), (False, 0.1, 0.1)]
    assert AUC.value(labels_and_scores) == 0.75
    assert AUC.interval(labels_and_scores, 0.95).upper == 1.0


def refused_in_three(rows: int, candidate_noise: float, draws: int) -> np.ndarray:
    """Whether the gate refuses each draw for its accuracy, its F1 and its area: [draws, 3]."""
    confidence = load_task("mrpc").confidence
    generator = np.random.default_rng(4)
    found = []
    for _ in range(draws):
        answers = scored(generator, rows, candidate_noise, 1.0)
        cells = F1.empty()
        np.add.at(cells, tuple((answers > 0.5).astype(int).T), 1)
        of_two = refused(cells[None])[0]
        found.append((*of_two, AUC.change(list(answers), confidence).upper < 0))
    return np.array(found)


def test_three_metrics_refuse_an_equal_model_as_seldom_as_stated():
    """2.5 % of the time in each, and under 5 % in any, on as few examples as MRPC's dev split has."""
    share = refused_in_three(408, 1.0, draws=1000)
    assert (share.mean(axis=0) < 0.035).all()
    assert share.any(axis=1).mean() < 0.05


def test_an_area_that_is_three_points_smaller_is_refused():
    """95 % of the time or more, on 1,725 examples."""
    assert refused_in_three(ROWS, 1.15, draws=100)[:, 2].mean() > 0.95


@pytest.mark.parametrize("task", ["mrpc", "squad"])
def test_estimators_can_be_sent_to_workers(task):
    for metric in load_task(task).metrics:
        if metric.estimator:
            module, _, name = metric.estimator.rpartition(".")
            figure = getattr(importlib.import_module(module), name)
            assert pickle.loads(pickle.dumps(figure)) == figure


def test_the_interval_of_a_mean_of_scores_is_that_of_their_values():
    scores = [0.0, 0.25, 1.0, 0.5, 0.75]
    mean = estimators.Mean(lambda label, prediction: float(prediction))
    sums = sum(mean.outcome(None, s, None, None) for s in scores)
    assert mean.interval(sums, 0.95) == pytest.approx(
        intervals.of_mean(sum(scores), sum(s**2 for s in scores), 5, 0.95)
    )
    assert not mean.interval(mean.outcome(None, 1.0, None, None), 0.95).is_known


def test_the_change_of_a_fraction_is_that_of_what_only_one_has_right():
    right, wrong = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])
    label = np.array([1])
    pairs = [(right, wrong)] * 9 + [(wrong, right)] * 4 + [(right, right)] * 30
    sums = sum(ACCURACY.outcome(label, c, b, None) for c, b in pairs)
    assert ACCURACY.change(sums, 0.95) == intervals.of_fraction_change(9, 4, 43, 0.95)


def test_the_ends_of_a_bootstrap_are_its_quantiles_and_the_same_each_time():
    values = np.linspace(0, 1, 2001)
    assert intervals.percentiles(values, 0.9) == pytest.approx((0.05, 0.95))
    cells = np.zeros((2, 2, 2))
    cells[1, 1, 1], cells[1, 1, 0], cells[1, 0, 1], cells[0, 1, 0] = 50, 20, 10, 5
    assert F1.change(cells, 0.95) == F1.change(cells, 0.95)


def test_the_interval_of_few_placements_is_delongs():
    """By hand: means 0.75 and 0.75, variances 0.125 and 0.125, two examples of each."""
    positives, negatives = np.array([0.5, 1.0]), np.array([1.0, 0.5])
    half = 1.959964 * math.sqrt(0.125 / 2 + 0.125 / 2)
    found = intervals.of_placements(positives, negatives, 0.95)
    assert found == pytest.approx((0.75 - half, 0.75 + half))


def test_equal_scores_count_half_and_a_reversed_order_is_no_certainty():
    ties = [(True, 0.5, 0.5), (False, 0.5, 0.5), (False, 0.1, 0.1)]
    assert AUC.value(ties) == 0.75
    reversed_order = [(True, 0.1, 0.1)] * 30 + [(False, 0.9, 0.9)] * 20
    assert AUC.interval(reversed_order, 0.95) == intervals.of_fraction(0, 20, 0.95)
    even = [(True, 0.5, 0.5)] * 30 + [(False, 0.5, 0.5)] * 20
    assert AUC.interval(even, 0.95) == (0.5, 0.5)
    assert math.isnan(AUC.value([]))

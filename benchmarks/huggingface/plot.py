"""Draws benchmarks/results/training.json: python plot.py training.json training.svg"""

import json
import statistics
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

NAMES = {
    "project": "this project",
    "float32": "this project, float32",
    "huggingface": "Hugging Face",
    "article": "the article's recipe",
}


def main(results_file, plot_file):
    with open(results_file) as file:
        results = json.load(file)
    plt.rcParams["svg.hashsalt"] = "training"  # the same results give the same file
    figure, axes = plt.subplots(1, len(results), figsize=(4.5 * len(results), 2.4))
    for axis, (task, result) in zip(axes if len(results) > 1 else [axes], results.items()):
        rates = {
            name: [r["rows"] / r["seconds"] for r in result["train"][system]]
            for system, name in NAMES.items()
        }
        medians = [statistics.median(values) for values in rates.values()]
        spread = [
            [m - min(v) for m, v in zip(medians, rates.values())],
            [max(v) - m for m, v in zip(medians, rates.values())],
        ]
        colors = ["#1a7f5a", "#8fc7b0", "#9aa0a6", "#c9ccd1"]
        axis.barh(list(rates), medians, xerr=spread, color=colors, ecolor="#444444")
        axis.invert_yaxis()
        axis.set_title(f"{task}: sequences trained on per second", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(plot_file, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What the benchmarks make of their measurements."""

from benchmarks import scaling


def test_rates_are_of_the_examples_beyond_the_previous_factor():
    """Of 10 and 13 seconds, 10 are the start; 900 examples took 3 of them, and 7.2 CPU seconds."""

    def run(examples: int, seconds: float, cpu_seconds: float) -> dict:
        made = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_memory_mb": {"stage": 1000}}
        return {"rows": examples, "stages": {"Transform": made}}

    runs = {"10": run(1000, 13.0, 27.2), "1": run(100, 10.0, 20.0)}
    *_, first, second = scaling.table({"mrpc": {"local": runs}}).splitlines()
    assert first == "| mrpc | local | Transform | 100 | 10.0 | 10 |  |  | stage 1,000 |"
    assert second == "| mrpc | local | Transform | 1,000 | 13.0 | 77 | 300 | 22.22 | stage 1,000 |"


def test_every_file_of_a_split_is_repeated_as_often_as_asked(tmp_path):
    factors = {"train": 1, "eval": 3}
    for split in factors:
        (tmp_path / "data" / split).mkdir(parents=True)
        (tmp_path / "data" / split / "examples.tfrecord.gz").write_text(split)
    scaling.multiply(tmp_path / "data", factors, tmp_path / "more")
    for split, factor in factors.items():
        copies = list((tmp_path / "more" / split).iterdir())
        assert [copy.read_text() for copy in copies] == [split] * factor

"""What README and docs tell to type is typed here, as far as it is read before the work begins."""

import dataclasses
import pathlib
import re
import shlex
import subprocess

import click
import pytest

from components.spec.registry import load_task
from pipeline.cli.main import commands
from tests.conftest import REPOSITORY

PAGES = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES += sorted((REPOSITORY / "docs").glob("*.md"))
_SPAN = re.compile(r"`((?:bert-tfx|make|source) [^`]*)`")


def commands_of(page: pathlib.Path, program: str) -> list[str]:
    """The lines of code blocks, and the code in sentences, that begin with a program's name."""
    text = page.read_text().replace("\\\n", " ")
    blocks = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    sentences = _SPAN.findall(text.replace("\n", " "))
    found = [c for c in (*blocks, *sentences) if re.match(rf"(\.venv/bin/)?{program}\b ?", c)]
    return [" ".join(command.split()) for command in found]


TYPED = [(p.name, c) for p in PAGES for c in commands_of(p, "bert-tfx")]
MADE = [(p.name, c) for p in PAGES for c in commands_of(p, "make")]


def test_there_are_commands_to_check():
    assert len(TYPED) > 40 and len(MADE) > 15


@pytest.mark.parametrize(("page", "typed"), TYPED)
def test_a_command_of_the_docs_is_understood(page, typed):
    _, *words = shlex.split(typed, comments=True)
    if words in ([], ["NAME", "--help"]) or "--help" in words:
        return
    command: click.Command = commands
    context = click.Context(commands)
    abridged = "..." in words
    words = [word for word in words if word != "..."]
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(context, name)
        assert found, f"{page}: {typed}"
        command = found
    if abridged or not words or typed.count(" ") < 2:  # what is left out is as it was before
        needed = [o for o in command.params if o.required and isinstance(o, click.Option)]
        absent = [o for o in needed if not set(o.opts) & set(words)]
        words += [part for option in absent for part in (option.opts[0], "given")]
        if not abridged and any(
            isinstance(p, click.Argument) and p.required for p in command.params
        ):
            return  # the command's name alone, in a sentence
    command.make_context(name, words)


@pytest.mark.parametrize(("page", "typed"), MADE)
def test_a_make_command_of_the_docs_exists(page, typed):
    words = [w for w in shlex.split(typed, comments=True)[1:] if w != "..."]
    dry = ["make", "--dry-run", *words]
    run = subprocess.run(dry, cwd=REPOSITORY, capture_output=True, text=True)
    assert run.returncode == 0, f"{page}: {run.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page):
    text = page.read_text()
    targets = re.findall(r"\]\(([^)#]+?)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for target in targets:
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page):
    named = re.findall(
        r"`((?:components|pipeline|tests|benchmarks|docs|schema|samples)/[\w./-]+)`",
        page.read_text(),
    )
    for name in named:
        if not re.search(r"NAME|TASK", name):
            assert (REPOSITORY / name).exists(), name


def test_the_table_of_settings_is_that_of_the_tasks():
    """Those that have a number for each task in docs/training.md, in the order of its heading."""
    tasks = [load_task(name).hyperparameters for name in ("mrpc", "squad")]
    rows = re.findall(
        r"^\| `(.+?)` \| (.+?) \|", (REPOSITORY / "docs/training.md").read_text(), re.M
    )
    shown = {name: values.split(", ") for name, values in rows if "`" not in name}
    assert len(shown) > 6
    for name, values in shown.items():
        held = [getattr(task, name) for task in tasks]
        wanted = held if len(values) == 2 else [held[0]] if held[0] == held[1] else None
        assert [type(h)(v) for h, v in zip(wanted, values)] == wanted, name
    named = {name for names, _ in rows for name in names.split("`, `")}
    missing = {field.name for field in dataclasses.fields(tasks[1])} - named
    assert missing == {"warmup_ratio"}  # told beside learning_rate


def test_the_readme_is_short():
    assert len((REPOSITORY / "README.md").read_text().split()) <= 1300

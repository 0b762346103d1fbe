"""Hashes that make the cache right.

TFX sees the parameters of a component and the artifacts that go in, but not the code that it calls
by import path, nor what a file holds behind a path. So a hash of the code goes into the parameters.
"""

import ast
import hashlib
import pathlib

_ROOT = pathlib.Path(__file__).resolve().parent.parent


def code_sha256(*modules: str) -> str:
    """Hash of the source of these modules and of all of `components` that they import, however deep."""
    digest = hashlib.sha256()
    for path in sorted(_closure(modules)):
        digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def file_sha256(path: str | pathlib.Path) -> str:
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def _closure(modules) -> set[pathlib.Path]:
    found: set[pathlib.Path] = set()
    waiting = list(modules)
    while waiting:
        for path in _files_of(waiting.pop()):
            if path not in found:
                found.add(path)
                waiting += _imports(path)
    return found


def _files_of(module: str) -> list[pathlib.Path]:
    """The file of a module of this project and those of the packages around it."""
    parts = module.split(".")
    if parts[0] != "components":
        return []
    files = [_ROOT.joinpath(*parts[:end], "__init__.py") for end in range(1, len(parts) + 1)]
    files.append(_ROOT.joinpath(*parts).with_suffix(".py"))
    return [file for file in files if file.is_file()]


def _imports(path: pathlib.Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names

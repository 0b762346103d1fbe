"""Hash of what code does, for caches whose content depends on the code that made it."""

import ast
import functools
import hashlib
import pathlib
from collections.abc import Iterable

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_sha256(*modules: str) -> str:
    """Hashes these modules and all of `components` that they import, however deep.

    Comments, docstrings and formatting do not count. An import inside of a function does; a module
    that is named in a string does not.
    """
    digest = hashlib.sha256()
    for path in sorted(_closure(modules)):
        meaning, _ = _read(path.read_bytes())
        digest.update(f"{path.relative_to(_ROOT).as_posix()}\0{meaning}\0".encode())
    return digest.hexdigest()


def _closure(modules: Iterable[str]) -> set[pathlib.Path]:
    found: set[pathlib.Path] = set()
    waiting = list(modules)
    while waiting:
        for path in _files_of(waiting.pop()):
            if path not in found:
                found.add(path)
                waiting += _read(path.read_bytes())[1]
    return found


def _files_of(module: str) -> list[pathlib.Path]:
    """Lists the file of a module of `components` and those of the packages around it."""
    parts = module.split(".")
    if parts[0] != "components":
        return []
    files = [_ROOT.joinpath(*parts[:end], "__init__.py") for end in range(1, len(parts) + 1)]
    files.append(_ROOT.joinpath(*parts).with_suffix(".py"))
    return [file for file in files if file.is_file()]


@functools.cache  # Several stages' hashes are over the same files.
def _read(source: bytes) -> tuple[str, list[str]]:
    """Returns what the source does, as text, and the names of the modules that it may import.

    Raises:
      ValueError: it has a relative import, which would have to be looked up elsewhere.
    """
    tree = ast.parse(source)
    imported = []
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED):
            _drop_docstring(node)
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(
                    f"line {node.lineno}: write the import with the package's full name"
                )
            imported += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return ast.dump(tree), imported


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
    match node.body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            node.body = rest

"""Finds the published files of a task in a folder, or downloads them once, and verifies them."""

import hashlib
import http.client
import os
import re
import sys
import urllib.request
from collections.abc import Iterable, Sequence

from components.common.errors import InputError
from components.common.files import file_sha256
from components.common.locks import locked
from components.common.progress import Counter
from components.spec.data_source import OfficialFile

SUMS_NAME = "SHA256SUMS"
_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30


def verify(files: Sequence[OfficialFile], folder: str) -> dict[str, str]:
    """Verifies the files that are in the folder; returns file name -> SHA-256.

    They must be the published ones, byte by byte. Where the folder has a file SHA256SUMS, they must be
    those that it lists instead.

    Raises:
      InputError: a file is missing, or is not the right one.
    """
    if not os.path.isdir(folder):
        raise InputError(f"{folder} is not a folder. It should hold: {_by_hand(files)}.")
    sums_path = os.path.join(folder, SUMS_NAME)
    sums = _read_sums(sums_path) if os.path.exists(sums_path) else None
    hashes = {}
    for file in files:
        path = os.path.join(folder, file.name)
        if os.path.exists(path):
            hashes[file.name] = file_sha256(path)
            if sums is None:
                _check_published(file, path, hashes[file.name])
            else:
                _check_listed(path, hashes[file.name], sums.get(file.name), sums_path)
        elif not file.optional:
            raise InputError(f"{path} is missing. Fetch {file.url} to there.")
    return hashes


def is_vouched_for(folder: str) -> bool:
    """Whether the folder has a SHA256SUMS file, so that its files need not be the published ones."""
    return os.path.exists(os.path.join(folder, SUMS_NAME))


def download(files: Sequence[OfficialFile], folder: str) -> None:
    """Downloads the files that are not in the folder yet; shows progress on stderr.

    An optional file that cannot be downloaded is left out, with a note.

    Raises:
      InputError: a file cannot be downloaded, or is not the published one.
    """
    with locked(folder):
        for file in files:
            path = os.path.join(folder, file.name)
            if os.path.exists(path) and file_sha256(path) == file.sha256:
                continue
            try:
                _fetch(file, path)
            except InputError as error:
                if not file.optional:
                    raise InputError(
                        f"{error} Or fetch by hand: {_by_hand(files)}; then pass the folder they "
                        "are in as --source."
                    ) from None
                print(f"Going on without {file.name}: {error}", file=sys.stderr)


def _by_hand(files: Iterable[OfficialFile]) -> str:
    return ", ".join(f"{f.name}{' (optional)' * f.optional} from {f.url}" for f in files)


def _difference(file: OfficialFile, size: int, sha256: str) -> str | None:
    """Returns how bytes of that size and hash differ from the published file, or None."""
    if size < file.size:
        return f"has {size:,} bytes of {file.size:,}: it is truncated or another file"
    if size > file.size:
        return f"has more than the {file.size:,} bytes it was published with: it is another file"
    if sha256 != file.sha256:
        return f"has the checksum {sha256}, published is {file.sha256}: bytes were changed"
    return None


def _check_published(file: OfficialFile, path: str, sha256: str) -> None:
    if difference := _difference(file, os.path.getsize(path), sha256):
        raise InputError(
            f"{path} {difference}. Fetch {file.url} again. (For changed files that you vouch for, "
            f"run `sha256sum * > {SUMS_NAME}` in their folder.)"
        )


def _check_listed(path: str, sha256: str, expected: str | None, sums_path: str) -> None:
    if expected is None:
        raise InputError(f"{sums_path} does not list {os.path.basename(path)}. Add its line.")
    if sha256 != expected:
        raise InputError(
            f"{path} has checksum {sha256}, {sums_path} says {expected}. Restore the file, or run "
            f"`sha256sum * > {SUMS_NAME}` in its folder if the change is wanted."
        )


def _read_sums(path: str) -> dict[str, str]:
    sums = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            match = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line.rstrip())
            if not match:
                raise InputError(
                    f"{path}:{number}: {line.rstrip()!r} is no line of sha256sum: 64 hexadecimal "
                    "digits, two spaces, file name."
                )
            sums[match[2]] = match[1].lower()
    return sums


def _fetch(file: OfficialFile, path: str) -> None:
    """Downloads a file under another name first, so that `path` is whole or absent."""
    partial = f"{path}.part"
    try:
        if difference := _difference(file, *_copy(file, partial)):
            raise InputError(f"The download of {file.url} {difference}. Try again.")
        os.replace(partial, path)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"{file.url} cannot be downloaded to {path}: {error}.") from None
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def _copy(file: OfficialFile, path: str) -> tuple[int, str]:
    """Copies at most one chunk more than the file should have; returns size and SHA-256."""
    size, digest = 0, hashlib.sha256()
    request = urllib.request.urlopen(file.url, timeout=_TIMEOUT_SECONDS)
    counter = Counter(f"Downloading {file.name}:", "bytes", file.size)
    with counter, request as source, open(path, "wb") as output:
        while size <= file.size and (chunk := source.read(_CHUNK_BYTES)):
            output.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            counter.add(len(chunk))
        counter.say()
    return size, digest.hexdigest()

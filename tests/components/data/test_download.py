"""Only the published bytes pass, or those that a SHA256SUMS file vouches for."""

import hashlib
import http.server
import threading

import pytest

from components.common.errors import InputError
from components.data import download
from components.spec.data_source import OfficialFile

CONTENT = b"published\n" * 1_000


def official_file(name, base="http://unreachable.invalid", **changes):
    described = {
        "name": name,
        "url": f"{base}/{name}",
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
    }
    return OfficialFile(**(described | changes))


FILES = (official_file("train.txt"), official_file("test.txt", optional=True))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requested.append(self.path)
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/there")
            self.end_headers()
        elif self.path.startswith("/absent"):
            self.send_error(404)
        else:
            length = {"/truncated.txt": 5_000, "/longer.txt": 20_000}.get(self.path, len(CONTENT))
            content = (CONTENT * 2)[:length]
            content = content.replace(b"p", b"q", self.path == "/changed.txt")
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT) * 2))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requested = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["plain.txt", "moved.txt"])
def test_a_file_is_downloaded_once(server, tmp_path, capsys, name):
    files = [official_file(name, server.url)]
    download.download(files, str(tmp_path / "new" / "cache"))
    assert (tmp_path / "new" / "cache" / name).read_bytes() == CONTENT
    assert f"{name}: 10,000 of 10,000 bytes" in capsys.readouterr().err
    server.requested.clear()
    download.download(files, str(tmp_path / "new" / "cache"))
    assert server.requested == []


def test_a_damaged_file_in_the_cache_is_downloaded_again(server, tmp_path):
    (tmp_path / "plain.txt").write_bytes(CONTENT[:-1])
    download.download([official_file("plain.txt", server.url)], str(tmp_path))
    assert (tmp_path / "plain.txt").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("truncated.txt", "5,000 .*10,000"),
        ("longer.txt", "more .*10,000"),
        ("changed.txt", "checksum"),
        ("absent.txt", "404"),
    ],
)
def test_a_bad_download_leaves_nothing(server, tmp_path, name, problem):
    by_hand = f"{name} .*{server.url}/{name}.*--source"
    with pytest.raises(InputError, match=f"{problem}.*{by_hand}"):
        download.download([official_file(name, server.url)], str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_server_says_what_to_fetch_by_hand(tmp_path):
    file = official_file("train.txt", "http://127.0.0.1:9")
    with pytest.raises(
        InputError, match=r"train\.txt .*http://127\.0\.0\.1:9/train\.txt.*--source"
    ):
        download.download([file], str(tmp_path))


def test_without_an_optional_file_a_download_goes_on(server, tmp_path, capsys):
    files = [
        official_file("absent.txt", server.url, optional=True),
        official_file("plain.txt", server.url),
    ]
    download.download(files, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["plain.txt"]
    assert "without absent.txt" in capsys.readouterr().err


def test_published_files_pass(tmp_path):
    (tmp_path / "train.txt").write_bytes(CONTENT)
    assert download.verify(FILES, str(tmp_path)) == {"train.txt": FILES[0].sha256}
    assert not download.is_vouched_for(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("train.txt", None, "missing"),
        ("train.txt", CONTENT[:-1], "9,999 .*10,000"),
        ("train.txt", CONTENT + b"\n", "more .*10,000"),
        ("train.txt", CONTENT.replace(b"p", b"q", 1), "checksum"),
        ("test.txt", CONTENT[:-1], "9,999 .*10,000"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, problem):
    contents = {"train.txt": CONTENT, name: content}
    for file, written in contents.items():
        if written is not None:
            (tmp_path / file).write_bytes(written)
    remedy = f"Fetch http://unreachable.invalid/{name}"
    with pytest.raises(InputError, match=f"{tmp_path / name} .*{problem}.*{remedy}"):
        download.verify(FILES, str(tmp_path))


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=rf"{tmp_path}/absent .*folder.*train\.txt .*{FILES[0].url}"
    ):
        download.verify(FILES, str(tmp_path / "absent"))


def sums(*lines):
    return "\n".join(lines) + "\n"


OTHER = b"a sample\n"
OTHER_SHA256 = hashlib.sha256(OTHER).hexdigest()


@pytest.mark.parametrize("separator", ["  ", " *"])
def test_sha256sums_rules_over_what_was_published(tmp_path, separator):
    (tmp_path / "train.txt").write_bytes(OTHER)
    (tmp_path / "SHA256SUMS").write_text(sums(f"{OTHER_SHA256.upper()}{separator}train.txt"))
    assert download.verify(FILES, str(tmp_path)) == {"train.txt": OTHER_SHA256}
    assert download.is_vouched_for(str(tmp_path))


@pytest.mark.parametrize(
    ("listed", "parts"),
    [
        (sums(f"{'0' * 64}  train.txt"), ["train.txt", OTHER_SHA256, "0" * 64]),
        (sums(f"{OTHER_SHA256}  another.txt"), ["not list", "train.txt"]),
        (sums(f"{OTHER_SHA256}  train.txt", "no sum"), ["SHA256SUMS:2:", "no sum"]),
    ],
)
def test_what_sha256sums_does_not_vouch_for_is_refused(tmp_path, listed, parts):
    (tmp_path / "train.txt").write_bytes(OTHER)
    (tmp_path / "SHA256SUMS").write_text(listed)
    with pytest.raises(InputError) as error:
        download.verify(FILES, str(tmp_path))
    for part in ["SHA256SUMS", *parts]:
        assert part in str(error.value)

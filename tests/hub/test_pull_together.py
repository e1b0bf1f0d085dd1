# SPDX-License-Identifier: Apache-2.0
"""Many pulls of one model at once, and pulls that are killed: the cache stays good."""
import os
import random
import signal
import time

import pytest

from hub_fixtures import check_cache, hub, mm, model_files  # noqa: F401

NAME = "org/model"
KILLS = int(os.environ.get("KILLS", "20"))


def test_processes_download_once(hub, mm):
    repository = hub.add(NAME, model_files("bert-sharded"))
    hub.bytes_per_second = 200_000
    runs = [mm.start("pull", NAME, HF_HUB_DOWNLOAD_TIMEOUT="30", HF_HUB_ETAG_TIMEOUT="30") for _ in range(8)]
    for run in runs:
        out, err = run.communicate(timeout=120)
        assert run.returncode == 0, out + err
    check_cache(mm.repository(NAME), repository)
    paths = hub.paths("hub:.*/resolve/")
    assert len(paths) == len(set(paths)) == len(model_files("bert-sharded", extras=False)), "each file came once"
    assert len(hub.paths("cdn:")) == 3


def test_killed_pulls(hub, mm):
    """Whenever a pull is killed, no ref, no link and no blob is a lie, and the next one finishes."""
    repository = hub.add(NAME, model_files("bert-sharded"))
    size = sum(map(len, model_files("bert-sharded", extras=False).values()))
    seed = int(os.environ.get("SEED", time.time()))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    hub.bytes_per_second = 3_000_000
    whole = size / hub.bytes_per_second + 0.4  # seconds
    folder = mm.repository(NAME)
    killed = 0
    for _ in range(KILLS):
        run = mm.start("pull", NAME)
        time.sleep(chance.uniform(0.02, whole))
        run.send_signal(signal.SIGKILL)
        run.communicate(timeout=60)
        killed += run.returncode == -signal.SIGKILL
        for blob in folder.glob("blobs/*"):
            if blob.suffix == ".incomplete":
                continue
            file, = [file for file in repository.commits[repository.head].values()
                     if file.etag == blob.name]
            assert blob.read_bytes() == file.data
        snapshot = folder / "snapshots" / repository.head
        if (snapshot / "model.safetensors.index.json").exists():
            assert len([path for path in snapshot.rglob("*") if path.is_file()]) \
                == len(model_files("bert-sharded", extras=False)), "the index came before the rest"
        if (folder / "refs/main").exists():
            check_cache(folder, repository, wanted=model_files("bert-sharded", extras=False))
            for left in folder.rglob("*"):  # begin anew
                if not left.is_dir():
                    left.unlink()
    assert killed > KILLS / 4
    hub.bytes_per_second = 0
    mm.pull(NAME)
    check_cache(folder, repository, wanted=model_files("bert-sharded", extras=False))
    assert not list(folder.rglob("*.tmp"))

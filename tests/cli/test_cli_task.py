# SPDX-License-Identifier: Apache-2.0
"""mm task: JSON lines in, JSON lines out."""
import json
import signal
import subprocess

import pytest

from conftest import lines_of


def request(model, data, **more):
    return json.dumps({"task_type": "embedding", "model_name": model, "task_data": data, **more})


def test_answers_in_order_and_goes_on_after_failures(mm, model):
    lines = [
        request(model, "one", id="a").encode(),
        b"{broken",
        b"",
        b'"a string"',
        b'{"task_type": "embedding", "model_name": "' + model.encode() + b'", "task_data": "\xff"}',
        request(model, ["one", "two"], id="b", no_such_parameter=1).encode(),
        request("./missing", "x", id="c").encode(),
        request(model, [], id="d").encode(),
        request(model, None, id="e").encode(),
        request(model, ["one", "two"], id="f").encode(),
    ]
    run = mm("task", stdin=b"\n".join(lines), status=1)  # the last line has no newline
    results = lines_of(run)
    assert [result["success"] for result in results] == [True] + [False] * 6 + [True] * 3
    codes = [result["error"]["code"] for result in results[1:7]]
    assert codes == ["INVALID_REQUEST"] * 4 + ["INVALID_PARAMETER", "MODEL_NOT_FOUND"]
    assert "no_such_parameter" in results[5]["error"]["message"]
    assert results[7]["data"]["embeddings"] == [] and results[8]["data"]["preloaded"] is True
    assert results[9]["data"]["embeddings"][0] == results[0]["data"]["embeddings"][0]


def test_status_is_0_when_all_succeed(mm, model):
    run = mm("task", "--set", "gpu_fallback=cpu", stdin=request(model, "x").encode() + b"\n")
    assert len(lines_of(run)) == 1
    assert mm("task", stdin=b"").stdout == b""


def test_release_and_status(mm, model):
    lines = [request(model, "x"), '{"op": "status"}',
             json.dumps({"op": "release", "model_name": model}), '{"op": "status"}']
    results = lines_of(mm("task", stdin="\n".join(lines).encode()))
    assert len(results[1]["data"]["models"]) == 1
    assert results[2]["data"]["released"] is True
    assert results[3]["data"]["models"] == []


def test_each_answer_comes_before_the_next_line_is_needed(mm, model):
    process = mm.start("task")
    for number in range(3):
        process.stdin.write(request(model, "x", id=str(number)).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["success"] is True
    out, _ = process.communicate(timeout=60)
    assert out == b"" and process.returncode == 0


def test_drop_queue(mm, model):
    lines = [json.dumps({"op": "drop_queue", "model_name": model, "reason": "why", "id": 1}),
             request(model, "x"), '{"op": "drop_queue"}']
    results = lines_of(mm("task", stdin="\n".join(lines).encode(), status=1))
    assert results[0] == {"id": 1, "success": True, "data": {"dropped": 0}}
    assert results[1]["success"] is True
    assert results[2]["error"]["code"] == "INVALID_REQUEST"


def parts_add_up(timing):
    parts = ("queue_ms", "download_ms", "load_ms", "tokenize_ms", "compute_ms")
    return sum(timing[part] for part in parts) <= timing["total_ms"] + 1e-6


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_the_parts_of_the_time_are_no_more_than_the_whole(mm, model, jobs):
    lines = [request(model, [f"text {n}", "same"], num_workers=2) for n in range(40)]
    results = lines_of(mm("task", "--jobs", jobs, stdin="\n".join(lines).encode()))
    assert all(parts_add_up(result["data"]["timing"]) for result in results)


def test_jobs_answer_everything_once(mm, model):
    lines = [request(model, [f"text {n}", "same"], id=str(n)) for n in range(40)]
    results = lines_of(mm("task", "--jobs", "4", stdin="\n".join(lines).encode()))
    by_id = {json.dumps(result).split('"id": "')[1].split('"')[0]: result for result in results}
    assert sorted(by_id, key=int) == [str(n) for n in range(40)]
    same = {json.dumps(result["data"]["embeddings"][1]) for result in results}
    assert len(same) == 1


def test_jobs_run_beside_each_other(mm, model):
    """What needs no model is answered while the first request still works."""
    texts = [f"text number {n} with a few words" for n in range(20_000)]
    lines = [request(model, texts), "{broken"]
    results = lines_of(mm("task", "--jobs", "2", stdin="\n".join(lines).encode(), status=1))
    assert [result["success"] for result in results] == [False, True]


def test_a_huge_line(mm, model):
    text = "many words " * 2_000_000  # 22 MB
    lines = request(model, text, id="huge") + "\n" + request(model, "small", id="small")
    results = lines_of(mm("task", stdin=lines.encode()))
    assert [result["success"] for result in results] == [True, True]
    assert results[0]["data"]["truncated"] == [True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_input(mm, model, number):
    process = mm.start("task")
    process.stdin.write(request(model, "x").encode() + b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["success"] is True
    process.send_signal(number)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == -number
    assert process.stdout.read() == b""


def test_a_signal_lets_what_was_begun_end(mm, model):
    process = mm.start("task", "--jobs", "2")

    def send(line):
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()

    send(json.dumps({**json.loads(request(model, "x", id="long")),
                     "task_data": ["many words " * 50] * 5000}))
    busy = 0
    while busy == 0:  # until a worker has it
        send(json.dumps({"op": "status"}))
        answer = json.loads(process.stdout.readline())
        assert "id" not in answer, "the request was too short for this test"
        busy = sum(entry["busy"] for entry in answer["data"]["models"])
    process.send_signal(signal.SIGTERM)
    result = json.loads(process.stdout.readline())
    assert result["id"] == "long" and result["success"] and len(result["data"]["tokens"]) == 5000
    assert process.wait(timeout=60) == -signal.SIGTERM


def test_a_signal_ends_it_even_with_much_to_read(mm, model):
    count = 20_000
    (mm.folder / "many.jsonl").write_text((request(model, "x") + "\n") * count)
    with open(mm.folder / "many.jsonl", "rb") as file:
        process = subprocess.Popen([mm.path, "task"], stdin=file, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, cwd=mm.folder, env=mm.environment)
        process.stdout.readline()
        process.terminate()
        out, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert out.endswith(b"\n") or out == b""
    assert out.count(b"\n") < count - 1


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_a_reader_that_leaves_ends_it(mm, model, jobs):
    process = mm.start("task", "--jobs", jobs)
    process.stdin.write(request(model, "x").encode() + b"\n")
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(request(model, "x").encode() + b"\n")
    process.stdin.flush()
    assert process.wait(timeout=30) == 141  # though stdin is still open
    assert process.stderr.read().count(b"error") == 0

# SPDX-License-Identifier: Apache-2.0
import json

from conftest import find_model, lines_of


def test_inspect(mm, model):
    (facts,) = lines_of(mm("inspect", model, "--json"))
    assert facts["model_type"] == "bert" and "embedding" in facts["task_types"]
    assert facts["parameters"] > 0 and facts["memory_bytes"]["f32"] > facts["parameters"]
    assert facts["file_bytes"] >= (find_model() / "model.safetensors").stat().st_size
    assert facts["plan"]["fits"] and facts["plan"]["weight_bytes"] == facts["memory_bytes"]["f32"]
    run = mm("inspect", model)
    assert run.stdout.decode().splitlines()[0].split() and b"model type" in run.stdout
    assert b"memory bytes f32" in run.stdout and b"iB\n" in run.stdout
    assert b"plan fits" in run.stdout


def test_inspect_failures(mm):
    run = mm("inspect", "./missing", status=1)
    assert run.stdout == b"" and b"mm: error: " in run.stderr
    (result,) = lines_of(mm("inspect", "./missing", "--json", status=1))
    assert result["error"]["code"] == "MODEL_NOT_FOUND"


def test_bench_measures_and_reports(mm, model):
    (mm.folder / "texts.txt").write_text("one\ntwo words\nthree short words\n")
    run = mm("bench", model, "--texts", "texts.txt", "--rounds", "3", "--queries", "5",
             "--threads", "1", "--text", "a query", "--json", "--device", "cpu")
    (report,) = lines_of(run)
    assert report["threads"] == 1 and report["device"] == "cpu" and report["dtype"] == "f32"
    assert report["throughput"]["texts"] == 3 and report["throughput"]["rounds"] == 3
    assert report["throughput"]["texts_per_second"] > 0
    assert 0 < report["query"]["best_ms"] <= report["query"]["median_ms"] <= report["query"]["p90_ms"]
    assert report["query"]["text"] == "a query" and report["query"]["count"] == 5
    text = mm("bench", model, "--texts", "texts.txt", "--rounds", "1", "--queries", "2").stdout
    assert b"throughput" in text and b"latency" in text


def test_bench_makes_up_texts(mm, model):
    words = ["bench", model, "--rounds", "1", "--queries", "0", "--json"]
    short = json.loads(mm(*words, "--generate", "short").stdout)
    mixed = json.loads(mm(*words, "--generate", "mixed").stdout)
    assert short["throughput"]["texts"] == 1000 and mixed["throughput"]["texts"] == 300
    assert short["query"] is None
    again = json.loads(mm(*words).stdout)["throughput"]
    assert again["texts"] == 1000 and again["tokens"] == short["throughput"]["tokens"]


def test_bench_of_a_query_alone(mm, model):
    (report,) = lines_of(mm("bench", model, "--text", "a query", "--queries", "3", "--json"))
    assert report["throughput"] is None and report["query"]["count"] == 3
    assert b"nothing to measure" in mm("bench", model, "--text", "a", "--queries", "0", status=2).stderr


def test_bench_of_generation(mm, writer):
    (mm.folder / "texts.txt").write_text("one\ntwo words\n")
    words = ["bench", writer, "--generation", "--texts", "texts.txt", "--text", "a cat", "--rounds", "2", "--queries", "3",
             "--max-new-tokens", "7", "--device", "cpu"]
    (report,) = lines_of(mm(*words, "--json"))
    assert report["device"] == "cpu" and report["dtype"] == "f32" and report["load_ms"] > 0
    assert [found["beams"] for found in report["generation"]] == [1, 4]
    for found in report["generation"]:
        first, one, all_texts = found["first_token"], found["one_text"], found["all_texts"]
        assert first["text"] == "a cat" and first["count"] == 3
        assert 0 < first["best_ms"] <= first["median_ms"] <= first["p90_ms"]
        assert one["texts"] == 1 and one["tokens"] == 7 and one["rounds"] == 2 and one["source_tokens"] == first["tokens"]
        assert all_texts["texts"] == 2 and all_texts["tokens"] == 14 and all_texts["tokens_per_second"] > 0
    (report,) = lines_of(mm(*words, "--num-beams", "3", "--threads", "1", "--json"))
    assert [found["beams"] for found in report["generation"]] == [3] and report["threads"] == 1
    said = mm(*words, "--num-beams", "1").stdout.decode()
    assert "1 beam\n" in said and "first token after" in said and "(2 texts, " in said and ", 14 written" in said


def test_bench_of_generation_makes_up_texts(mm, writer):
    (report,) = lines_of(mm("bench", writer, "--generation", "--rounds", "1", "--queries", "0", "--num-beams", "1",
                            "--max-new-tokens", "1", "--json"))
    assert report["generation"][0]["first_token"] is None and report["generation"][0]["all_texts"]["texts"] == 8


def test_bench_of_generation_refuses(mm, model, writer):
    (result,) = lines_of(mm("bench", model, "--generation", "--json", status=1))
    assert result["error"]["code"] == "INVALID_TASK_TYPE"
    (result,) = lines_of(mm("bench", model, "--num-beams", "2", "--queries", "1", "--rounds", "0", "--json", status=1))
    assert result["error"]["code"] == "INVALID_PARAMETER"
    assert b"for embeddings" in mm("bench", writer, "--generation", "--generate", "short", status=2).stderr
    assert b"num_beams" in mm("bench", writer, "--generation", "--num-beams", "none", status=2).stderr


def test_bench_failures(mm, model):
    (result,) = lines_of(mm("bench", "./missing", "--json", status=1))
    assert result["error"]["code"] == "MODEL_NOT_FOUND"
    run = mm("bench", model, "--texts", "no-such-file", status=1)
    assert run.stdout == b"" and b"no-such-file" in run.stderr


def test_peak(mm):
    (limits,) = lines_of(mm("bench", "--peak", "--threads", "1", "--json"))
    assert limits["threads"] == 1 and limits["f32_gflops"] > 0 and limits["read_gbps"] > 0
    assert limits["bf16_gflops"] is None or limits["bf16_gflops"] > 0
    run = mm("bench", "--peak", "--json", environment={"MM_CPU_THREADS": "1"})
    assert lines_of(run)[0]["threads"] == 1
    assert b"f32 products" in mm("bench", "--peak", "--threads", "1").stdout

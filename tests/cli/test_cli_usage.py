# SPDX-License-Identifier: Apache-2.0
"""Help, mistakes on the command line, exit statuses, and what goes to which stream."""
import re

import pytest

COMMANDS = ["embed", "generate", "task", "tokenize", "inspect", "bench"]


def test_help_lists_every_command_on_stdout(mm):
    run = mm("--help")
    text = run.stdout.decode()
    assert run.stderr == b""
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\w", text, re.MULTILINE), command
    assert mm("help").stdout == mm("-h").stdout == mm("help", "--help").stdout == run.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(mm, command):
    run = mm(command, "--help")
    text = run.stdout.decode()
    assert run.stderr == b""
    assert text.startswith(f"Usage: mm {command}")
    assert "\nExamples:\n" in text
    assert max(map(len, text.split("\nExamples:\n")[0].splitlines())) <= 100
    assert mm("help", command).stdout == run.stdout
    # Help wins over whatever else is wrong or missing, once it is read.
    assert mm(command, "x", "y", "-h").stdout == run.stdout


def test_parameters_become_flags(mm):
    text = mm("embed", "--help").stdout.decode()
    for flag in ["--prompt-name TEXT", "--max-length N", "--dtype TEXT", "--device TEXT",
                 "--normalize, --no-normalize"]:
        assert f"\n  {flag}" in text, flag
    assert "--model-name" not in text and "--task-type" not in text


def test_version(mm):
    run = mm("--version")
    assert re.fullmatch(r"mm \d+\.\d+\.\d+\n", run.stdout.decode())
    assert run.stderr == b""


@pytest.mark.parametrize("words, expected", [
    ([], "no command"),
    (["emebd"], 'did you mean "embed"?'),
    (["tokenise"], 'did you mean "tokenize"?'),
    (["help", "insepct"], 'did you mean "inspect"?'),
    (["xyzzyx"], 'unknown command "xyzzyx"\n'),
    (["--verison"], 'unknown option "--verison"'),
    (["embed"], "no model"),
    (["embed", "./m", "a", "--promt", "x"], 'did you mean "--prompt"?'),
    (["embed", "./m", "a", "--max_length", "3"], 'did you mean "--max-length"?'),
    (["embed", "./m", "a", "--max-length"], "--max-length needs a value"),
    (["embed", "./m", "a", "--max-length", "many"], "whole number"),
    (["embed", "./m", "a", "--max-length", "0"], "max_length"),
    (["embed", "./m", "a", "--max-length", "99999999999999999999"], "max_length"),
    (["embed", "./m", "a", "--dtype", "f33"], "f33"),
    (["embed", "./m", "a", "--normalize=maybe"], "true or false"),
    (["embed", "./m", "a", "--no-normalize=true"], "takes no value"),
    (["embed", "./m", "a", "--format", "xml"], "json npy"),
    (["embed", "./m", "-text"], "write -- in front"),
    (["embed", "./m", "a", "--file", "b"], "not both"),
    (["embed", "./m", "a", "--set", "cpu_threads"], "NAME=VALUE"),
    (["embed", "./m", "a", "--set", "cpu_treads=1"], "cpu_treads"),
    (["embed", "./m", "a", "--set", "cpu_threads=fast"], "cpu_threads"),
    (["embed", "./m", "a", "--settings", "missing.json"], "missing.json"),
    (["task", "request.json"], "standard input"),
    (["task", "--jobs", "0"], "from 1 to"),
    (["tokenize"], "no model"),
    (["tokenize", "./m", "a", "--jsonl"], "--jsonl"),
    (["tokenize", "./m", "--decode"], "token ids"),
    (["inspect"], "no model"),
    (["inspect", "./a", "./b"], "one model"),
    (["bench"], "no model"),
    (["bench", "./m", "--peak"], "takes no model"),
    (["bench", "./m", "--generate", "long"], "short mixed"),
    (["bench", "./m", "--texts", "f", "--generate", "short"], "exclude"),
])
def test_mistakes_are_named(mm, words, expected):
    run = mm(*words, status=2)
    assert run.stdout == b""
    assert expected in run.stderr.decode()
    assert re.search(r'^See "mm .*--help"\.$', run.stderr.decode(), re.MULTILINE)


def test_settings_from_file_environment_and_flag(mm, model):
    settings = mm.folder / "settings.json"
    settings.write_text('{"enabled": false}')
    disabled = b'"code":"DISABLED"'
    refused = mm("embed", model, "a", "--settings", "settings.json", status=1)
    assert disabled in refused.stdout.replace(b" ", b"")
    mm("embed", model, "a", "--settings", "settings.json", environment={"MM_ENABLED": "true"})
    refused = mm("embed", model, "a", "--settings", "settings.json", "--set", "enabled=false",
                 environment={"MM_ENABLED": "true"}, status=1)
    assert disabled in refused.stdout.replace(b" ", b"")
    (mm.folder / ".env").write_text("MM_ENABLED=false\n")
    refused = mm("embed", model, "a", status=1)
    assert disabled in refused.stdout.replace(b" ", b"")
    mm("embed", model, "a", environment={"MM_ENABLED": "true"})
    settings.write_text('{"cpu_treads": 1}')
    assert b"cpu_treads" in mm("embed", model, "a", "--settings", "settings.json", status=2).stderr
    settings.write_text('{"cpu_threads": ')
    assert b"settings.json" in mm("embed", model, "a", "--settings", "settings.json", status=2).stderr
    (mm.folder / ".env").unlink()
    wrong = mm("embed", model, "a", environment={"MM_CPU_THREADS": "fast"}, status=2)
    assert b"MM_CPU_THREADS" in wrong.stderr or b"cpu_threads" in wrong.stderr

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the first inputs of the fuzzers of the Hub's client: corpus/FUZZER/seed-NN.

Fuzzing adds more files beside them, named by their hash; this script touches only seed-*.
"""
import json

from make_corpus import SEPARATOR, failing, write

SHA1 = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def names():
    for name in ["org/name", "name", "a.b_c-d/E.1", "/dir", "./dir", "../dir", ".", "..", "a/b/c", "",
                 "/", "a/", "a--b", "a..b", "-a", "a-", "a.", ".a", "a.git", "org/.git", "a b", "a\\b",
                 "\u00e9", "x" * 96, "x" * 97, "o/" + "x" * 97, "~/x", "a:b", "%2e%2e/x", "a\n"]:
        yield name + "\0main\0config.json"
    for revision in ["refs/pr/1", SHA1, SHA1.upper(), SHA1[1:], "", "/a", "a/", "a//b", "..", "a..b",
                     ".a", "v1.0", "a b", "a\\b", "a\x7f", "x" * 255, "x" * 256, "\u00e9"]:
        yield "org/name\0" + revision + "\0a"
    for path in ["1_Pooling/config.json", "", "/a", "a/", "a//b", "../a", "a/..", ".", "a/./b", "a\\b",
                 "a:b", "a\x01", "a\x7f", "x" * 255, "x" * 256, "x/" * 600 + "x", "..a", "a..", "\u00e9"]:
        yield "org/name\0main\0" + path
    for number in range(1, 8, 3):
        yield failing("org/name\0main\0a", number)


def entry(path, size=1, **more):
    return {"type": "file", "oid": SHA1, "size": size, "path": path, **more}


def large(path):
    return entry(path, lfs={"oid": SHA256, "size": 10**10, "pointerSize": 135})


def tree(*pages, modules="", index=""):
    return "\0".join(part if isinstance(part, str) else json.dumps(part)
                     for part in [modules, index, *pages])


def trees():
    folder = {"type": "directory", "oid": "x", "size": 0, "path": "1_Pooling"}
    chain = [{"path": ""}, {"path": "1_Pooling"}, {"path": None}, 5]
    good = [entry("config.json"), entry("tokenizer.json"), large("model.safetensors")]
    shards = [entry("config.json"), entry("model.safetensors.index.json"), large("one.safetensors"),
              large("two.safetensors")]
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    more = [entry("modules.json"), folder, entry("1_Pooling/config.json"),
            large("1_Pooling/model.safetensors")]
    yield tree(good)
    yield tree(good, more, modules=chain)
    yield tree(shards, index=index)
    yield tree(shards + more, modules=chain, index=index)
    deep = [entry("1_Pooling/model.safetensors.index.json"), large("1_Pooling/one.safetensors")]
    yield tree(good + [entry("modules.json")] + deep, modules=chain, index={
        "weight_map": {"a": "one.safetensors"}})
    for number in range(1, 90, 9):
        yield failing(tree(shards + more, modules=chain, index=index), number)
    for name in ["pytorch_model.bin", "pytorch_model.bin.index.json", "model.gguf", "model.onnx",
                 "tf_model.h5", "flax_model.msgpack", "a.pt", "rust_model.ot", "a.bin", "README.md"]:
        yield tree([entry("config.json"), large(name)])
    yield tree(good[2:])
    yield tree([], [])
    yield tree()
    for text in ["{", "{}", "5", "null", "[5]", '[{"type": "file"}]', '[{"path": "a"}]']:
        yield tree(text)
    for change in [{"path": "../a"}, {"path": "/a"}, {"path": "a\0b"}, {"path": 5}, {"path": ""},
                   {"type": 5}, {"type": "symlink"}, {"oid": "x"}, {"oid": None}, {"oid": SHA256},
                   {"oid": SHA1.upper()}, {"size": -1}, {"size": "1"}, {"size": 1.5}, {"size": 10**30},
                   {"lfs": {}}, {"lfs": 5}, {"lfs": {"oid": SHA1, "size": 1}},
                   {"lfs": {"oid": SHA256, "size": None}}]:
        yield tree(good + [{**entry("x.json"), **change}])
    for guide in ["", "{", "{}", [{"path": ".."}], [{"path": "a\0b"}], [{"path": "a/../b"}],
                  [{"path": "2_Dense"}], [{"path": "x" * 300}], []]:
        yield tree(good + more, modules=guide)
    for shown in ["", "[]", "{}", {"weight_map": []}, {"weight_map": {"a": 1}},
                  {"weight_map": {"a": "../one.safetensors"}}, {"weight_map": {"a": "sub/one.safetensors"}},
                  {"weight_map": {"a": "three.safetensors"}}, {"weight_map": {"a": "config.json"}},
                  {"weight_map": {"a": "one.safetensors\0"}}, {"weight_map": {"a": "\u20ac" * 60}}]:
        yield tree(shards, index=shown)
    yield tree([entry(f"f{i}.json") for i in range(70)], good)


def http(status, body="", reason="x", **headers):
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {reason}\r\n{head}\r\n{body}".encode()


FILE, COMMIT, LIST, WITH_TOKEN, ACCOUNT = 0, 1, 2, 3, 128


def ask(question, *answers):
    return bytes([question]) + SEPARATOR.join(answers)


def answers():
    listed = json.dumps([entry("config.json"), large("model.safetensors")])
    sha = json.dumps({"sha": SHA1})
    for question in (FILE, FILE + WITH_TOKEN):
        yield ask(question, http(200, "abc", Content_Length=3))
        yield ask(question, http(206, "abc", Content_Range="bytes 7-9/10"))
        yield ask(question, http(200, "x" * 2000))
        yield ask(question, http(100), http(200, "abc"))
        for status in (204, 301, 304, 400, 408, 429, 500, 502, 503, 504, 599, 999):
            yield ask(question, http(status, "no", Retry_After=0))
        for status in (401, 403, 404):
            for code in ("", "RepoNotFound", "RevisionNotFound", "EntryNotFound", "GatedRepo"):
                yield ask(question, http(status, "", X_Error_Code=code, X_Error_Message="a\x80\tb"))
            for text in ("Invalid credentials in Authorization header", "Access is disabled", "x" * 300):
                yield ask(question, http(status, json.dumps({"error": text})))
        yield ask(question, http(404, "[]"))
        yield ask(question, http(404, "{"))
        for target in ("/other", "http://cdn.test/a?b#c", "https://cdn.test/", "file:///etc/passwd",
                       "ftp://x/", "//host:99999/", "", "http://[::1", "?x", "HTTP://HUB.TEST:80/x"):
            yield ask(question, http(302, Location=target), http(200, "abc"))
            yield ask(question, http(307, Location=target), http(403, "signed"))
        yield ask(question, *[http(302, Location=f"/{i}") for i in range(12)])
        yield ask(question, http(302))
        yield ask(question, http(302, Location="/a"), b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\nabc")
    for headers in ({"Retry_After": 3}, {"Retry_After": "-1"}, {"Retry_After": "9" * 30},
                    {"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"},
                    {"RateLimit": '"resolvers";r=0;t=172'}, {"RateLimit": '"api";r=0;t=' + "9" * 30},
                    {"RateLimit": '"api";r=1;t=5'}, {"RateLimit": '"api";r=0;t=-5'}):
        yield ask(FILE, http(429, "", **headers))
    yield ask(FILE, b"")
    yield ask(FILE, b"HTTP/1.1")
    yield ask(FILE, b"HTTP/1.1 2x0 OK\r\n\r\nabc")
    yield ask(FILE, b"HTTP/1.0 200\r\nContent-Length: 10\r\n\r\nabc")
    yield ask(FILE, b"no http at all\r\n\r\n")
    yield ask(FILE, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    yield ask(FILE, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc")
    yield ask(FILE, b"HTTP/1.1 200 OK\r\nno colon\r\n: x\r\nLink:\r\nLINK: \t a \r\nlink: b\r\n\r\n")
    yield ask(FILE, b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"x" * 9000 + b"\r\n" * 2)
    yield ask(FILE, http(404, "x" * 20000))
    yield ask(COMMIT, http(200, sha))
    for text in ("{", "[]", "{}", '{"sha": 5}', '{"sha": "main"}', json.dumps({"sha": SHA1 + "0"}), ""):
        yield ask(COMMIT, http(200, text))
    yield ask(COMMIT, http(503, "", Retry_After=0), http(200, sha))
    yield ask(COMMIT + WITH_TOKEN, http(404, "", X_Error_Code="RevisionNotFound"))
    for question in (ACCOUNT, ACCOUNT + WITH_TOKEN):
        yield ask(question, http(200, '{"name": "x"}'))
        yield ask(question, http(401, '{"error": "Invalid credentials"}'))
        for number in (1, 2, 3, 5):
            yield failing(ask(question, http(200, '{"name": "x"}')), number)
    yield ask(LIST, http(200, listed))
    for link in ('<http://hub.test/2>; rel="next"', '</2>; rel="next"', '<https://huggingface.co/2>; rel="next"',
                 '<http://evil.test/2>; rel="next"', 'rel="next"', '<x; rel="next"', '> <y rel="next"',
                 '<https://huggingface.co.evil/2>; rel="next"', '<http://hub.test/0>; rel="prev"',
                 '<>; rel="next"'):
        yield ask(LIST, http(200, listed, Link=link), http(200, "[]"))
    for text in ("{", "{}", "[5]", "[]"):
        yield ask(LIST, http(200, text))
    whole = ask(LIST + WITH_TOKEN, http(200, listed, Link='<https://huggingface.co/2>; rel="next"'),
                http(302, Location="/3"), http(200, listed))
    for number in range(1, 60, 6):
        yield failing(whole, number)
    for number in range(1, 12):
        yield failing(ask(FILE, http(302, Location="/other"), http(200, "abc")), number)
    for number in (4, 8, 12, 15, 22, 24):
        yield failing(ask(COMMIT, http(200, sha)), number)
        yield failing(ask(FILE, http(404, '{"error": "Invalid credentials"}')), number)
        yield failing(ask(FILE + WITH_TOKEN, http(401, '{"error": "Invalid credentials"}')), number)


if __name__ == "__main__":
    write("fuzz_hub_name", names())
    write("fuzz_hub_tree", trees())
    write("fuzz_hub_answer", answers())

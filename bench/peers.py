# SPDX-License-Identifier: Apache-2.0
"""The peers behind one interface: text in, numpy array out, each with the settings it can be tuned by.

A setting is a dict that load() or encode() understands; settings() lists the ones worth trying. Imports are lazy, so that
a cold start pays for one peer only. Every peer tokenizes with the tokenizers library and gets its texts sorted by length.
"""
import os
import threading

import numpy as np

from modeldir import ModelDir

BATCHES = (1, 4, 8, 16, 32, 64)


def make_batches(encodings, size):
    """Index lists of at most `size` texts, longest first, so that padding is least."""
    order = sorted(range(len(encodings)), key=lambda i: -len(encodings[i].ids))
    return [order[start:start + size] for start in range(0, len(order), size)]


def pad_batch(encodings, batch):
    length = max(len(encodings[i].ids) for i in batch)
    ids = np.zeros((len(batch), length), dtype=np.int64)
    mask = np.zeros((len(batch), length), dtype=np.int64)
    for row, index in enumerate(batch):
        count = len(encodings[index].ids)
        ids[row, :count] = encodings[index].ids
        mask[row, :count] = 1
    return ids, mask


class Peer:
    """Base of the peers that get token ids; `variant` is the part of the setting that needs a new load."""

    def __init__(self, source, converted, dtype, threads):
        self.model_dir = ModelDir(source)
        self.converted = converted
        self.dtype = dtype
        self.threads = threads
        self.variant = None
        self.texts_tokenizer = self.model_dir.tokenizer()

    def variants(self):
        return [{}]

    def settings(self, batches):
        return [dict(variant, batch=size) for variant in self.variants() for size in batches]

    def use(self, setting):
        """Load again when the setting asks for another variant."""
        variant = {key: value for key, value in setting.items() if key != "batch"}
        if variant != self.variant:
            self.load(variant)
            self.variant = variant

    def encode(self, texts, setting):
        self.use(setting)
        encodings = self.texts_tokenizer.encode_batch_fast(texts)
        out = np.empty((len(texts), self.model_dir.hidden), dtype=np.float32)
        self.run(encodings, make_batches(encodings, setting["batch"]), out)
        return out

    def token_counts(self, texts):
        return [len(encoding.ids) for encoding in self.texts_tokenizer.encode_batch_fast(texts)]


class SentenceTransformers(Peer):
    """Sorts by itself and pads each batch; the reference of the vectors as well."""

    def load(self, variant):
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(self.threads)
        kind = torch.bfloat16 if self.dtype == "bf16" else torch.float32
        self.model = SentenceTransformer(self.model_dir.path, device="cpu", model_kwargs={"dtype": kind})

    def encode(self, texts, setting):
        self.use(setting)
        vectors = self.model.encode(texts, batch_size=setting["batch"], show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)


class OnnxRuntime(Peer):
    """onnxruntime on the graph that its transformer optimizer made."""

    def variants(self):
        return [{"streams": 1}, {"streams": 2}] if self.threads == 2 else [{"streams": 1}]

    def load(self, variant):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads // variant["streams"]
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if variant.get("fast_start"):
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.add_session_config_entry("session.disable_prepacking", "1")
        name = "int8.onnx" if self.dtype == "int8" else "optimized.onnx"
        self.session = onnxruntime.InferenceSession(
            os.path.join(self.converted, name), options, providers=["CPUExecutionProvider"]
        )
        self.inputs = {entry.name: entry.type for entry in self.session.get_inputs()}
        self.streams = variant["streams"]

    def run(self, encodings, batches, out):
        kind = np.int32 if self.inputs["input_ids"] == "tensor(int32)" else np.int64

        def one(batch):
            ids, mask = pad_batch(encodings, batch)
            feeds = {"input_ids": ids.astype(kind), "attention_mask": mask.astype(kind)}
            out[batch] = self.session.run(None, feeds)[0]

        in_threads(self.streams, one, batches)


class OpenVino(Peer):
    """OpenVINO with one stream of all threads (latency) or a stream a thread (throughput)."""

    def variants(self):
        return [{"streams": 1}, {"streams": self.threads}]

    def load(self, variant):
        import openvino

        config = {
            "INFERENCE_PRECISION_HINT": {"f32": "f32", "bf16": "bf16"}[self.dtype],
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": variant["streams"],
            "PERFORMANCE_HINT": "LATENCY" if variant["streams"] == 1 else "THROUGHPUT",
        }
        if variant.get("blob_cache"):
            config["CACHE_DIR"] = os.path.join(self.converted, "openvino-cache-" + self.dtype)
        core = openvino.Core()
        self.compiled = core.compile_model(os.path.join(self.converted, "openvino.xml"), "CPU", config)
        self.requests = [self.compiled.create_infer_request() for _ in range(variant["streams"])]

    def run(self, encodings, batches, out):
        free = list(self.requests)

        def one(batch):
            ids, mask = pad_batch(encodings, batch)
            request = free.pop()
            result = request.infer({"input_ids": ids, "attention_mask": mask}, share_inputs=True, share_outputs=True)
            out[batch] = result[0]
            free.append(request)

        in_threads(len(self.requests), one, batches)


class CTranslate2(Peer):
    """CTranslate2's encoder gives hidden states: pooling and normalisation are numpy's."""

    def variants(self):
        return [{"streams": 1}, {"streams": self.threads}]

    def load(self, variant):
        import ctranslate2

        kind = {"f32": "float32", "int8": "int8"}[self.dtype]
        self.encoder = ctranslate2.Encoder(
            os.path.join(self.converted, "ctranslate2"), device="cpu", compute_type=kind,
            inter_threads=variant["streams"], intra_threads=self.threads // variant["streams"],
        )
        self.streams = variant["streams"]

    def run(self, encodings, batches, out):
        def one(batch):
            ids = [encodings[i].ids for i in batch]
            hidden = np.array(self.encoder.forward_batch(ids).last_hidden_state)
            for row, index in enumerate(batch):
                vector = hidden[row, 0] if self.model_dir.cls else hidden[row, :len(ids[row])].mean(0)
                if self.model_dir.normalize:
                    vector = vector / np.linalg.norm(vector)
                out[index] = vector

        in_threads(self.streams, one, batches)


def in_threads(count, action, items):
    """action(item) for each item on `count` threads that take the next one when free; 1 = on the caller's."""
    if count == 1 or len(items) == 1:
        for item in items:
            action(item)
        return
    left = list(reversed(items))
    failures = []

    def work():
        while left and not failures:
            try:
                item = left.pop()
            except IndexError:
                return
            try:
                action(item)
            except Exception as failure:  # handed to the caller below
                failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


PEERS = {
    "sentence-transformers": SentenceTransformers,
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
    "ctranslate2": CTranslate2,
}

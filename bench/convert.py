# SPDX-License-Identifier: Apache-2.0
"""Convert a sentence-transformers BERT folder for the peers that cannot read it: ONNX, OpenVINO IR, CTranslate2.

Pooling and normalisation are part of the ONNX and OpenVINO graphs, so that a peer pays for them inside its own engine.
usage: convert.py MODEL_DIR OUT_DIR   (what exists is left alone)
"""
import os
import shutil
import sys

from modeldir import ModelDir


def pooled_module(model_dir, attention):
    """The encoder in f32 with its pooling and normalisation as one torch module."""
    import torch
    from transformers import AutoModel

    encoder = AutoModel.from_pretrained(model_dir.path, dtype=torch.float32, attn_implementation=attention).eval()

    class Pooled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids, attention_mask):
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            if model_dir.cls:
                vector = hidden[:, 0]
            else:
                mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
                vector = (hidden * mask).sum(1) / mask.sum(1)
            return torch.nn.functional.normalize(vector, dim=-1) if model_dir.normalize else vector

    return Pooled().eval()


def example(torch):
    """Two texts of different length: both axes and the mask stay dynamic in a trace."""
    ids = torch.randint(1000, 2000, (2, 9))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    return ids, mask


def save_onnx(model_dir, path):
    import torch

    axes = {0: "batch", 1: "length"}
    with torch.no_grad():
        torch.onnx.export(
            pooled_module(model_dir, "eager"), example(torch), path, input_names=["input_ids", "attention_mask"],
            output_names=["vector"], dynamic_axes={"input_ids": axes, "attention_mask": axes, "vector": {0: "batch"}},
            opset_version=17, dynamo=False,
        )


def save_optimized(model_dir, source, path):
    """onnxruntime's transformer optimizer. Fails when it fused no attention: then the peer would be a straw man."""
    from onnxruntime.transformers import optimizer

    model = optimizer.optimize_model(
        source, model_type="bert", num_heads=model_dir.heads, hidden_size=model_dir.hidden, opt_level=1, use_gpu=False
    )
    fused = model.get_fused_operator_statistics()
    print("onnxruntime optimizer:", {name: count for name, count in fused.items() if count}, file=sys.stderr)
    if fused.get("Attention", 0) + fused.get("MultiHeadAttention", 0) != model_dir.layers:
        raise SystemExit("the transformer optimizer did not fuse the attention of every layer")
    model.save_model_to_file(path)


def save_int8(source, path):
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source, path, weight_type=QuantType.QInt8, per_channel=True, reduce_range=False,
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )


def save_openvino(model_dir, path, compress):
    import openvino
    import torch

    with torch.no_grad():
        model = openvino.convert_model(
            pooled_module(model_dir, "sdpa"), example_input=example(torch),
            input=[("input_ids", [-1, -1], openvino.Type.i64), ("attention_mask", [-1, -1], openvino.Type.i64)],
        )
    openvino.save_model(model, path, compress_to_fp16=compress)


def save_ctranslate2(model_dir, path):
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(model_dir.path).convert(path, quantization="float32", force=True)


def make(path, action, *arguments):
    """Run action(*arguments, path) unless path exists; a cut run leaves nothing under the final name."""
    if os.path.exists(path):
        return
    stem, dot, ending = os.path.basename(path).partition(".")
    partial = os.path.join(os.path.dirname(path), "partial-" + stem + dot + ending)
    print("converting", os.path.basename(path), file=sys.stderr)
    action(*arguments, partial)
    if path.endswith(".xml"):
        os.rename(partial[:-4] + ".bin", path[:-4] + ".bin")
    os.rename(partial, path)


def main(source, out_dir):
    model_dir = ModelDir(source)
    os.makedirs(out_dir, exist_ok=True)

    def out(name):
        return os.path.join(out_dir, name)

    make(out("plain.onnx"), save_onnx, model_dir)
    make(out("optimized.onnx"), save_optimized, model_dir, out("plain.onnx"))
    if model_dir.layers < 12:  # only the single-query row asks for int8 peers
        make(out("int8.onnx"), save_int8, out("optimized.onnx"))
    make(out("openvino.xml"), lambda path: save_openvino(model_dir, path, False))
    make(out("ctranslate2"), save_ctranslate2, model_dir)
    for name in os.listdir(out_dir):
        if name.startswith("partial-"):
            shutil.rmtree(out(name), ignore_errors=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])

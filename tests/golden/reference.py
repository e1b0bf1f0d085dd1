# SPDX-License-Identifier: Apache-2.0
"""What sentence-transformers computes, in float32 and in float64, in the form of golden.json."""
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np  # noqa: E402
import safetensors  # noqa: E402
import sentence_transformers  # noqa: E402
import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402

torch.set_num_threads(int(os.environ.get("MM_REFERENCE_THREADS", "2")))
transformers.logging.set_verbosity_error()

VERSIONS = {
    "torch": torch.__version__.split("+")[0], "transformers": transformers.__version__,
    "sentence_transformers": sentence_transformers.__version__,
    "tokenizers": tokenizers.__version__, "safetensors": safetensors.__version__,
}


def load(folder):
    """The model with its stored values raised to float32, whatever the file holds."""
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True,
                               model_kwargs={"dtype": torch.float32})


def prompt_of(model, method, arguments):
    """The text that goes in front: sentence-transformers' rule, told again for the record."""
    if "prompt" in arguments:
        return arguments["prompt"]
    if "prompt_name" in arguments:
        return model.prompts[arguments["prompt_name"]]
    kinds = {"encode_query": ["query"], "encode_document": ["document", "passage", "corpus"]}
    for name in kinds.get(method, []):
        if name in model.prompts:
            return model.prompts[name]
    if model.default_prompt_name is not None:
        return model.prompts[model.default_prompt_name]
    return None


def token_ids(model, texts, prompt=None):
    """Each text alone, so that nothing is padded."""
    return [model.preprocess([(prompt or "") + text])["input_ids"][0].tolist() for text in texts]


def encode(model, texts, method="encode", **arguments):
    """One text at a time: no padding, so no influence of a batch."""
    call = getattr(model, method)
    rows = [call([text], convert_to_tensor=True, show_progress_bar=False, **arguments)[0]
            for text in texts]
    return torch.stack(rows).numpy()


def cosine(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return (a * b).sum(-1) / np.maximum(np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1), 1e-300)


def digits(array, count):
    return [[float(f"{value:.{count}g}") for value in row] for row in np.asarray(array).tolist()]


def hidden_states(model32, model64, texts, indices):
    found = []
    for index in indices:
        states = [model[0](model.preprocess([texts[index]]))["token_embeddings"][0].detach().numpy()
                  for model in (model32, model64)]
        found.append({
            "text_index": index, "shape": list(states[1].shape),
            "last_hidden_state_f64": digits(states[1], 10),
            "max_abs_f32_vs_f64": float(np.abs(states[0] - states[1]).max()),
        })
    return found


def golden(folder, case, texts, calls):
    """The whole of golden.json for a folder. `calls` is a list of (method, arguments)."""
    model32, model64 = load(folder), load(folder).double()
    runs, distances, cosines = [], [], []
    batch = model32.encode(texts, show_progress_bar=False, batch_size=len(texts))
    with torch.no_grad():
        for method, arguments in calls:
            f32 = encode(model32, texts, method, **arguments)
            f64 = encode(model64, texts, method, **arguments)
            assert f64.dtype == np.float64 and np.isfinite(f64).all()
            prompt = prompt_of(model32, method, arguments)
            ids = token_ids(model32, texts, prompt)
            distances.append(np.abs(f32 - f64).max())
            cosines.append(cosine(f32, f64).min())
            if (method, arguments) == ("encode", {}):
                batch_distance = np.abs(batch - f32).max()
            runs.append({
                "method": method, "args": arguments, "prompt_used": prompt, "token_ids": ids,
                "attention_lengths": [len(row) for row in ids], "dim": f32.shape[1],
                "embeddings_f32": digits(f32, 9), "embeddings_f64": digits(f64, 12),
            })
        hidden = hidden_states(model32, model64, texts, [3, 5])
    return {
        "versions": VERSIONS, "kind": "embedding", "case": case, "texts": texts,
        "tolerance_observed": {
            "max_abs_f32_vs_f64": float(max(distances)),
            "max_abs_batch_vs_single": float(batch_distance),
            "min_cosine_f32_vs_f64": float(min(cosines)),
        },
        "runs": runs, "hidden": hidden,
    }

# SPDX-License-Identifier: Apache-2.0
"""The peers of the generation benchmark behind one interface: lists of token ids in, generated ids out."""
import os


class Transformers:
    """generate() on a padded batch."""

    def __init__(self, source, _converted, dtype, threads):
        import torch
        from transformers import AutoModelForSeq2SeqLM

        torch.set_num_threads(threads)
        self.torch = torch
        kind = torch.bfloat16 if dtype == "bf16" else torch.float32
        self.model = AutoModelForSeq2SeqLM.from_pretrained(source, dtype=kind, local_files_only=True).eval()
        self.pad = self.model.generation_config.pad_token_id

    def generate(self, sources, beams, tokens):
        longest = max(map(len, sources))
        ids = self.torch.tensor([source + [self.pad] * (longest - len(source)) for source in sources])
        mask = self.torch.tensor([[1] * len(source) + [0] * (longest - len(source)) for source in sources])
        with self.torch.inference_mode():
            found = self.model.generate(input_ids=ids, attention_mask=mask, num_beams=beams, do_sample=False,
                                        min_new_tokens=tokens, max_new_tokens=tokens)
        return [sequence[1:1 + tokens] for sequence in found.tolist()]


class CTranslate2:
    """Its Translator; tokens are the words of the folder's tokenizer."""

    def __init__(self, source, converted, dtype, threads):
        import ctranslate2
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(os.path.join(source, "tokenizer.json"))
        kind = {"f32": "float32", "int8": "int8"}[dtype]
        self.translator = ctranslate2.Translator(os.path.join(converted, "ctranslate2"), device="cpu",
                                                 compute_type=kind, inter_threads=1, intra_threads=threads)

    def generate(self, sources, beams, tokens):
        words = [[self.tokenizer.id_to_token(token) for token in source] for source in sources]
        found = self.translator.translate_batch(words, beam_size=beams, min_decoding_length=tokens,
                                                max_decoding_length=tokens, max_input_length=0, return_scores=False)
        return [[self.tokenizer.token_to_id(word) for word in result.hypotheses[0]] for result in found]


GENERATORS = {"transformers": Transformers, "ctranslate2-generation": CTranslate2}

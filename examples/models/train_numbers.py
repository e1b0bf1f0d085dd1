# SPDX-License-Identifier: Apache-2.0
"""Train and write numbers/: a T5 of 70,000 parameters that says numbers in words and writes words as numbers.

    .venv-reference/bin/python examples/models/train_numbers.py [FOLDER]

    "say: 1984" -> "one thousand nine hundred and eighty-four"      "write: forty-two" -> "42"

From 0 to 999,999, as in British English. It takes some ten minutes on one core; `make test-reference` installs what it
needs. Every seventh number is kept out of training, and the script fails unless the model knows those as well.
"""
import json
import random
import sys
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import GenerationConfig, T5Config, T5ForConditionalGeneration

from in_words import SMALL, TENS, in_words

SEED, STEPS, BATCH, RATE = 7, 9000, 96, 4e-3
PREFIXES = {"number_to_words": "say: ", "words_to_number": "write: "}


def make_tokenizer():
    """A word is a token, and so are a digit and "-four"; a word has a sign for the space before it."""
    pieces = ["<pad>", "</s>", "<unk>", "\u2581", *"0123456789"]
    pieces += ["\u2581" + word for word in SMALL + TENS + ["hundred", "thousand", "and", "say:", "write:"]]
    pieces += ["-" + word for word in SMALL[1:10]]
    tokenizer = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Metaspace(), pre_tokenizers.Split(Regex("[0-9]|-[^-]+"), "isolated")])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return tokenizer


def pairs(numbers):
    """(source, target) of each number, in both directions in turn."""
    for i, number in enumerate(numbers):
        words = in_words(number)
        yield (PREFIXES["words_to_number"] + words, str(number)) if i % 2 else \
            (PREFIXES["number_to_words"] + str(number), words)


def draw(chance, seen):
    """A number of one to six digits, all lengths as likely, a zero more often than by chance."""
    while True:
        digits = [chance.choice("0123456789") if chance.random() < 0.8 else "0" for _ in range(chance.randint(1, 6))]
        number = int("".join(digits))
        if (number % 7 != 3) == seen:
            return number


def padded(encodings, fill):
    longest = max(len(encoding.ids) for encoding in encodings)
    return torch.tensor([encoding.ids + [fill] * (longest - len(encoding.ids)) for encoding in encodings])


def train(model, tokenizer):
    chance = random.Random(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.1)
    for step in range(STEPS):
        sources, targets = zip(*pairs([draw(chance, True) for _ in range(BATCH)]))
        ids = padded(tokenizer.encode_batch(sources), 0)
        labels = padded(tokenizer.encode_batch(targets), -100)
        loss = model(input_ids=ids, attention_mask=ids.ne(0).long(), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 500 == 0:
            print(f"step {step}: loss {loss.item():.5f}", file=sys.stderr, flush=True)


def wrong(model, tokenizer, numbers):
    """The pairs that it gets wrong."""
    asked, failed = list(pairs(numbers)), []
    for start in range(0, len(asked), 500):
        some = asked[start:start + 500]
        ids = padded(tokenizer.encode_batch([source for source, _ in some]), 0)
        with torch.inference_mode():
            found = model.generate(input_ids=ids, attention_mask=ids.ne(0).long(), max_new_tokens=16)
        failed += [(source, text) for (source, target), text in zip(some, tokenizer.decode_batch(found.tolist()))
                   if text != target]
    return failed


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "numbers"
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # it is too small for two
    tokenizer = make_tokenizer()
    model = T5ForConditionalGeneration(T5Config(
        vocab_size=tokenizer.get_vocab_size(), d_model=40, d_kv=10, d_ff=96, num_layers=2, num_heads=4, dropout_rate=0.0,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
        task_specific_params={name: {"prefix": prefix, "max_length": 18} for name, prefix in PREFIXES.items()}))
    train(model, tokenizer)
    model = model.half().float().eval()  # as it will be read
    chance = random.Random(SEED + 1)
    unseen = [number for number in range(10000) if number % 7 == 3] + [draw(chance, False) for _ in range(6000)]
    failed = wrong(model, tokenizer, unseen + unseen[1:])
    print(f"{len(failed)} of {2 * len(unseen) - 1} wrong: {failed[:5]}", file=sys.stderr)
    model.generation_config = GenerationConfig(decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)
    model.half().save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

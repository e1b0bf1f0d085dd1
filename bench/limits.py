# SPDX-License-Identifier: Apache-2.0
"""The least work of generating with an encoder-decoder, from its config.json and the lengths: what no engine can leave out.

A limit is a list of parts, (floating-point operations, bytes read), which follow one another; each takes the greater of
the time of its products at the machine's product rate and the time of its reads at the rate of reading memory
(report.least_time). Counted are 2 x the multiply-adds of linear and attention products over real tokens, as in embedding
(modeldir.py). Everything is in f32.
"""

FLOAT = 4  # bytes


class Seq2SeqLimit:
    """Multiply-adds and values read, of a T5 or a BART."""

    def __init__(self, config):
        t5 = config["model_type"] == "t5"
        width = config["d_model"]
        inner = config["num_heads"] * config["d_kv"] if t5 else width  # all heads together
        gated = t5 and config.get("feed_forward_proj", "relu").startswith("gated-")
        feeds = 3 if gated else 2  # matrices of a feed-forward
        encoder = config["num_layers" if t5 else "encoder_layers"]
        decoder = (config.get("num_decoder_layers") or encoder) if t5 else config["decoder_layers"]
        encoder_feed = config["d_ff" if t5 else "encoder_ffn_dim"]
        decoder_feed = config["d_ff" if t5 else "decoder_ffn_dim"]
        projection = width * inner  # a query, key, value or output matrix
        # An encoder layer: four projections and the feed-forward, for each token.
        self.encoder_token = encoder * (4 * projection + feeds * width * encoder_feed)
        # For each pair of tokens: the score and the weighted value.
        self.encoder_pair = encoder * 2 * inner
        # What cross-attention wants of a source's token, made once: its key and its value in each layer.
        self.cross_token = decoder * 2 * projection
        # The weights that a step reads and each of its rows is multiplied with: in a layer four projections of
        # self-attention, query and output of cross-attention, the feed-forward; then the vocabulary.
        self.step_weights = decoder * (6 * projection + feeds * width * decoder_feed) + config["vocab_size"] * width
        # For each key that a row attends to, cached or of the source: the score and the weighted value.
        self.decoder_pair = decoder * 2 * inner
        # What a cache holds for a token, its own or the source's.
        self.cached_token = decoder * 2 * inner

    def encoding(self, lengths):
        """All sources once through the encoder, with the keys and values that cross-attention wants of them."""
        products = sum((self.encoder_token + self.cross_token) * n + self.encoder_pair * n * n for n in lengths)
        return 2 * products, 0

    def step(self, lengths, beams, number):
        """Step `number`, from 1: a token for every beam of every source. In the first all beams are still one."""
        rows = 1 if number == 1 else beams  # of a source
        keys = sum(rows * (number + n) for n in lengths)
        products = self.step_weights * rows * len(lengths) + self.decoder_pair * keys
        # Beams of a source share its keys and values; their own they may share as well, which is not counted off.
        values = self.step_weights + self.cached_token * sum(n + rows * number for n in lengths)
        return 2 * products, FLOAT * values

    def parts(self, lengths, beams, tokens):
        return [self.encoding(lengths)] + [self.step(lengths, beams, number) for number in range(1, tokens + 1)]

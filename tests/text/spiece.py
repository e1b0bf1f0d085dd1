# SPDX-License-Identifier: Apache-2.0
"""Writes SentencePiece files: protocol buffers, by hand."""
import struct

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
UNIGRAM, BPE = 1, 2


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def chunk(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def score(value):
    """The value as the file holds it."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def piece(text, value, kind):
    data = chunk(1, text.encode()) + varint(2 << 3 | 5) + struct.pack("<f", value)
    return chunk(1, data + (number(3, kind) if kind != NORMAL else b""))


def model(pieces, kind=UNIGRAM, charsmap=b"", ids=(0, 1, 2, -1), byte_fallback=False, **normalizer):
    """`pieces`: (text, score, kind); `ids`: of unk, bos, eos and pad."""
    trainer = number(3, kind) + number(35, byte_fallback) + b"".join(
        number(40 + i, value) for i, value in enumerate(ids)) + chunk(45, b"<unk>") + \
        chunk(46, b"<s>") + chunk(47, b"</s>") + varint(10 << 3 | 5) + struct.pack("<f", 0.9995)
    names = {"add_dummy_prefix": 3, "remove_extra_whitespaces": 4, "escape_whitespaces": 5}
    settings = chunk(1, b"nmt_nfkc") + chunk(2, charsmap) + b"".join(
        number(names[name], value) for name, value in normalizer.items())
    return b"".join(piece(*row) for row in pieces) + chunk(2, trainer) + chunk(3, settings)

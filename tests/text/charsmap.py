# SPDX-License-Identifier: Apache-2.0
"""Writes character maps as SentencePiece has them: a double array over bytes, then the texts."""
import struct


class DoubleArray:
    """A node at `place` has its children at base ^ byte and its value at base; the unit holds
    place ^ base."""

    def __init__(self):
        self.units = {0: 0}
        self.bases = set()

    def free_base(self, labels):
        base = 1
        while base in self.bases or any(base ^ label in self.units for label in labels):
            base += 1
        self.bases.add(base)
        return base

    def add(self, place, label, node):
        value = node.pop(None, None)
        labels = sorted(node) + ([0] if value is not None else [])
        base = self.free_base(labels)
        self.units[place] = label | (value is not None) << 8 | (place ^ base) << 10
        for byte in labels:
            self.units[base ^ byte] = 0  # taken
        if value is not None:
            self.units[base] = 1 << 31 | value
        for byte, child in sorted(node.items()):
            self.add(base ^ byte, byte, child)

    def pack(self):
        count = (max(self.units) | 255) + 1  # no byte leads out of whole blocks
        return b"".join(struct.pack("<I", self.units.get(i, 0)) for i in range(count))


def charsmap(rules):
    """The map {string: text} as bytes."""
    root, texts = {}, bytearray()
    for source, target in rules.items():
        node = root
        for byte in source.encode():
            node = node.setdefault(byte, {})
        node[None] = len(texts)
        texts += target.encode() + b"\0"
    array = DoubleArray()
    array.add(0, 0, root)
    units = array.pack()
    return struct.pack("<I", len(units)) + units + bytes(texts)


# Longer, shorter and as long as what they replace; one is a prefix of another; ASCII as well.
RULES = {"\u00bd": "1/2", "\u2122": "TM", "\ufb01": "fi", "\uff21": "A", "\u00a0": " ",
         "\u3000": " ", "\u200b": "", "\x01": "", "\x02": "", "\x7f": "", "\t": " ", "\n": " ",
         "\r\n": " ", "e\u0301": "\u00e9", "\u00e9": "\u00e9", "e\u0301\u0323": "E",
         "\u0958": "\u0915\u093c", "\u0301": "", "``": "\"", "`": "'", "\u2460": "1",
         "\U0001f1e6": "A", "\u30ac": "\u30ab\u3099", "\u30ab\u3099": "\u30ac", "ab": "ba",
         "\u00df\u0308": "ss", "\uac00": "\u1100\u1161"}

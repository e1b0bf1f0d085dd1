#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/text/grapheme_tables.c: where the reference library's grapheme clusters are not utf8proc's.

    python3 scripts/make_grapheme_tables.py > src/text/grapheme_tables.c
    python3 scripts/make_grapheme_tables.py --sum      (for tests/text/test_code_points.c)

The reference is the `tokenizers` wheel: its Precompiled normalizer with a map in which every byte
begins a string that becomes "x" shows one x for each cluster of less than six bytes and one for each
character of a longer one. Each code point is asked for between neighbours of all kinds. utf8proc
gets, in place of a code point it sees otherwise, one that it sees alike; conjuncts (rule GB9c), which
it may not know, have tables of their own. Run it again when either changes, then clang-format the
result.
"""
import ctypes
import ctypes.util
import struct
import sys

from tokenizers import normalizers

MARK, JOINER, PICTURE, KA, VIRAMA = "\u0301", "\u200d", "\u00a9", "\u0915", "\u094d"
LEAD, VOWEL, TAIL, SYLLABLE, PREPEND = "\u1100", "\u1161", "\u11a8", "\uac00", "\u0600"
STAND_INS = ["a", MARK, "\u0903", PREPEND, "\x01", PICTURE, VOWEL]
EXTEND, ZERO_WIDTH_JOINER = 5, 14  # utf8proc's numbers of the classes


def every_byte():
    units = [0] * 512
    units[0] = 256 << 10
    for byte in range(1, 256):
        units[256 + byte] = byte | 1 << 8 | 256 << 10
        units[byte] = 1 << 31
    return struct.pack("<I512I", 2048, *units) + b"x\0"


PRECOMPILED = normalizers.Precompiled(every_byte())


def reference(text):
    return len(PRECOMPILED.normalize_str(text))


def probes(c):
    """The code point stands for itself wherever it is in these."""
    m, z, p = MARK, JOINER, PICTURE
    return ["a" + c, c + "a", c + m, c + m + m, "a" + c + m + m, m + c + m, p + z + c + m,
            c + z + p + m, p + c + z + p + m, LEAD + c + m, c + VOWEL + m, VOWEL + c + m,
            c + TAIL + m, SYLLABLE + c + m, KA + VIRAMA + c + m, c + VIRAMA + KA + m,
            KA + c + KA + m, KA + VIRAMA + c + KA + m, PREPEND + c + m, PREPEND + c, "\r" + c,
            c + "\n", "\n" + c + m]


class Utf8proc:
    def __init__(self):
        name = ctypes.util.find_library("utf8proc")
        if not name:
            sys.exit("libutf8proc is not installed")
        self.library = ctypes.CDLL(name)
        self.library.utf8proc_version.restype = ctypes.c_char_p
        self.library.utf8proc_get_property.restype = ctypes.c_void_p
        if not self.extends(MARK) or self.extends("a"):
            sys.exit("utf8proc_property_t is laid out otherwise")

    def version(self):
        return self.library.utf8proc_version().decode()

    def key(self, code):
        """Equal for code points with equal properties."""
        return self.library.utf8proc_get_property(code)

    def extends(self, c):
        """The class of boundaries is in utf8proc_property_t behind ten numbers and a byte of flags."""
        properties = ctypes.string_at(self.library.utf8proc_get_property(ord(c)), 22)
        return properties[21] in (EXTEND, ZERO_WIDTH_JOINER) and c != "\u200c"

    def count(self, text, c, stand_in, consonants, linkers):
        """As src/text/graphemes.c and its user do."""
        def seen(one):
            return stand_in if one == c else one
        clusters, state, conjunct = [[text[0]]], ctypes.c_int32(0), 0
        for i, one in enumerate(text):
            if i > 0:
                cut = self.library.utf8proc_grapheme_break_stateful(
                    ord(seen(text[i - 1])), ord(seen(one)), ctypes.byref(state))
                if cut and not (conjunct == 2 and one in consonants):
                    clusters.append([])
                    state, conjunct = ctypes.c_int32(0), 0
                clusters[-1].append(one)
            if one in consonants:
                conjunct = 1
            elif conjunct and one in linkers:
                conjunct = 2
            elif not (conjunct and self.extends(seen(one))):
                conjunct = 0
        return sum(1 if len("".join(cluster).encode()) < 6 else len(cluster)
                   for cluster in clusters)


def code_points():
    return (chr(c) for c in range(1, 0x110000) if not 0xD800 <= c <= 0xDFFF)


def ranges(pairs):
    result = []
    for code, value in pairs:
        if result and result[-1][1] == code - 1 and result[-1][2] == value:
            result[-1][1] = code
        else:
            result.append([code, code, value])
    return result


def find_differences(utf8proc):
    answers = {c: tuple(map(reference, probes(c))) for c in code_points()}
    linkers = {c for c, a in answers.items() if a[16] == 4 and a[0] == 1 + (len(c.encode()) > 4)}
    consonants = {c for c, a in answers.items() if a[15] == 4 and len(c.encode()) > 2}
    stand_ins, cache = [], {}
    for c, answer in answers.items():
        for stand_in in [c] + STAND_INS:
            key = (utf8proc.key(ord(stand_in)), stand_in == "\u200c",
                   len(c.encode()), c in consonants, c in linkers, c in "\r\n\u0301" + KA + VIRAMA)
            if key not in cache:
                cache[key] = tuple(utf8proc.count(text, c, stand_in, consonants, linkers)
                                   for text in probes(c))
            if cache[key] == answer:
                break
        else:
            sys.exit(f"U+{ord(c):04X} is like none of the stand-ins: {answer}")
        if stand_in != c:
            stand_ins.append((ord(c), ord(stand_in)))
    return stand_ins, linkers, consonants


def print_set(name, comment, members):
    rows = ranges((ord(c), 0) for c in sorted(members))
    print(f"\n// {comment}")
    print(f"const mm_code_range mm_grapheme_{name}[] = {{")
    print(",".join(f"{{0x{first:X}, 0x{last:X}}}" for first, last, _ in rows))
    print(f"}};\nconst size_t mm_grapheme_{name}_count = {len(rows)};")


def print_tables():
    utf8proc = Utf8proc()
    stand_ins, linkers, consonants = find_differences(utf8proc)
    rows = ranges(stand_ins)
    print("// SPDX-License-Identifier: Apache-2.0")
    print("// Generated by scripts/make_grapheme_tables.py; do not edit.")
    print(f"// utf8proc {utf8proc.version()}")
    print('#include "text/graphemes.h"\n')
    print("const mm_grapheme_stand_in mm_grapheme_stand_ins[] = {")
    print(",".join(f"{{0x{first:X}, 0x{last:X}, 0x{value:X}}}" for first, last, value in rows))
    print(f"}};\nconst size_t mm_grapheme_stand_ins_count = {len(rows)};")
    print_set("linkers", "Indic_Conjunct_Break=Linker", linkers)
    print_set("consonants", "Indic_Conjunct_Break=Consonant", consonants)


def print_sum():
    value = 0xCBF29CE484222325
    for c in code_points():
        for byte in map(reference, probes(c)):
            value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    print(f"0x{value:016X}")


if __name__ == "__main__":
    print_sum() if sys.argv[1:] == ["--sum"] else print_tables()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/text/unicode_tables.c: where the reference tokenizer library and utf8proc disagree.

    python3 scripts/make_unicode_tables.py > src/text/unicode_tables.c
    python3 scripts/make_unicode_tables.py --sums > tests/text/code_point_sums.h

The library asks utf8proc for categories, decompositions and case, then corrects the answer by these
tables. The reference is the `tokenizers` wheel, asked about every code point; utf8proc is the
installed shared library. Run it again when either changes, then clang-format the result. The sums
are hashes of what the reference says of all code points, for a test.
"""
import ctypes
import ctypes.util
import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CATEGORIES = ("Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp "
              "Cc Cf Cs Co").split()
STABLE, COMPAT, COMPOSE, DECOMPOSE = 1 << 1, 1 << 2, 1 << 3, 1 << 4


class Utf8proc:
    def __init__(self):
        name = ctypes.util.find_library("utf8proc")
        if not name:
            sys.exit("libutf8proc is not installed")
        self.library = ctypes.CDLL(name)
        self.library.utf8proc_version.restype = ctypes.c_char_p
        self.buffer = (ctypes.c_int32 * 64)()

    def version(self):
        return self.library.utf8proc_version().decode()

    def category(self, code):
        return CATEGORIES[self.library.utf8proc_category(code)]

    def lower(self, code):
        return chr(self.library.utf8proc_tolower(code))

    def decompose(self, code, compat):
        options = STABLE | DECOMPOSE | (COMPAT if compat else 0)
        count = self.library.utf8proc_decompose_char(code, self.buffer, 64, options, None)
        return "".join(map(chr, self.buffer[:count]))


def probes(utf8proc):
    """Name, comment, what utf8proc says, what the reference says: both are bool functions of a
    code point."""
    clean = normalizers.BertNormalizer(True, False, False, False)
    accents = normalizers.BertNormalizer(False, False, True, False)
    marks = normalizers.StripAccents()
    punctuation = pre_tokenizers.Punctuation()
    digits = pre_tokenizers.Digits(individual_digits=True)
    words = Tokenizer(models.WordLevel({"<t>": 0, "?": 1}, unk_token="?"))
    words.add_tokens([AddedToken("<t>", single_word=True, normalized=False)])
    ascii_symbols = set("$+<=>^`|~")

    def isolates(splitter):
        return lambda c: len(splitter.pre_tokenize_str("a" + chr(c) + "a")) == 3

    yield ("control", "BertNormalizer clean_text removes it",
           lambda c: utf8proc.category(c) in ("Cc", "Cf", "Co", "Cs") and c not in (9, 10, 13),
           lambda c: c not in (0, 0xFFFD) and clean.normalize_str(chr(c)) == "" or c == 0)
    yield ("nonspacing", "BertNormalizer strip_accents removes it",
           lambda c: utf8proc.category(c) == "Mn",
           lambda c: accents.normalize_str(chr(c)) == "")
    yield ("mark", "StripAccents removes it",
           lambda c: utf8proc.category(c)[0] == "M",
           lambda c: marks.normalize_str(chr(c)) == "")
    yield ("punctuation", "Punctuation and BertPreTokenizer isolate it",
           lambda c: utf8proc.category(c)[0] == "P" or chr(c) in ascii_symbols,
           isolates(punctuation))
    yield ("numeric", "Digits isolates it",
           lambda c: utf8proc.category(c)[0] == "N",
           isolates(digits))
    yield ("word", "it keeps a single_word added token beside it from matching",
           lambda c: utf8proc.category(c)[0] in "LM" or utf8proc.category(c) in ("Nd", "Nl", "Pc"),
           lambda c: words.encode("<t>" + chr(c)).ids[0] != 0)
    for name, category in (("letter", "L"), ("number", "N")):
        splitter = pre_tokenizers.Split(Regex(f"\\p{{{category}}}"), "isolated")
        yield (name, f"the regex \\p{{{category}}} matches it",
               lambda c, category=category: utf8proc.category(c)[0] == category,
               lambda c, splitter=splitter: len(splitter.pre_tokenize_str("!" + chr(c) + "!")) == 3)


def combining_class_is_zero(nfd, code):
    """Whether the reference lets the mark stand still between two marks of other classes."""
    text = chr(code)
    return nfd.normalize_str("a" + text + "\u0334") == "a" + text + "\u0334" and \
        nfd.normalize_str("a\u0301" + text) == "a\u0301" + text


def normalization_differs(utf8proc):
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()

    def differs(code):
        if nfd.normalize_str(chr(code)) != utf8proc.decompose(code, False):
            return True
        if nfkd.normalize_str(chr(code)) != utf8proc.decompose(code, True):
            return True
        # Every character of a class other than 0 is a mark.
        if utf8proc.category(code)[0] != "M":
            return False
        ours = utf8proc_class(utf8proc, code)
        return ours != 0 and combining_class_is_zero(nfd, code)
    return differs


def utf8proc_class(utf8proc, code):
    class Property(ctypes.Structure):
        _fields_ = [("category", ctypes.c_int16), ("combining_class", ctypes.c_int16)]
    get = utf8proc.library.utf8proc_get_property
    get.restype = ctypes.POINTER(Property)
    return get(code).contents.combining_class


def code_points():
    return (c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)


def ranges(codes):
    result = []
    for code in codes:
        if result and result[-1][1] == code - 1:
            result[-1][1] = code
        else:
            result.append([code, code])
    return result


def print_ranges(name, comment, codes):
    rows = ranges(codes)
    print(f"// {comment}.")
    print(f"const mm_code_range mm_unicode_{name}_differs[] = {{")
    print(",".join(f"{{0x{first:X}, 0x{last:X}}}" for first, last in rows) or "{1, 0}")
    print("};")
    print(f"const size_t mm_unicode_{name}_differs_count = {len(rows)};\n")


def fnv1a(chunks):
    value = 0xCBF29CE484222325
    for chunk in chunks:
        for byte in chunk:
            value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def print_sums(utf8proc):
    print("// SPDX-License-Identifier: Apache-2.0")
    print("// Generated by scripts/make_unicode_tables.py --sums; do not edit.")
    print(f"// tokenizers {tokenizers.__version__}: FNV-1a (64 bit) of the code points that have a "
          "property, in UTF-8, and of what the")
    print("// normalizers make of every code point, each followed by a line feed.")
    print("#ifndef TESTS_TEXT_CODE_POINT_SUMS_H\n#define TESTS_TEXT_CODE_POINT_SUMS_H\n")
    for name, _, _, theirs in probes(utf8proc):
        value = fnv1a(chr(c).encode() for c in code_points() if theirs(c))
        print(f"#define SUM_{name.upper()} UINT64_C(0x{value:016x})")
    for name in ("Lowercase", "NFC", "NFD", "NFKC", "NFKD"):
        normalizer = getattr(normalizers, name)()
        value = fnv1a(normalizer.normalize_str(chr(c)).encode() + b"\n" for c in code_points())
        print(f"#define SUM_{name.upper()} UINT64_C(0x{value:016x})")
    print("\n#endif")


def main():
    utf8proc = Utf8proc()
    if "--sums" in sys.argv[1:]:
        print_sums(utf8proc)
        return
    print("// SPDX-License-Identifier: Apache-2.0")
    print("// Generated by scripts/make_unicode_tables.py; do not edit.")
    print(f"// Differences of tokenizers {tokenizers.__version__} from utf8proc "
          f"{utf8proc.version()}: a code point listed here gets the")
    print("// opposite of utf8proc's answer.")
    print('#include "text/unicode_text.h"\n')
    print(f'const char mm_unicode_tables_utf8proc[] = "{utf8proc.version()}";\n')
    for name, comment, ours, theirs in probes(utf8proc):
        codes = [c for c in code_points() if bool(ours(c)) != bool(theirs(c))]
        print_ranges(name, comment, codes)
    differs = normalization_differs(utf8proc)
    print_ranges("normalization", "NFC, NFD, NFKC, NFKD: left alone, combining class 0",
                 [c for c in code_points() if differs(c)])
    lowercase = normalizers.Lowercase()
    print("// Lowercase: other than utf8proc_tolower says; second is 0 when there is only one.")
    print("const mm_lower_difference mm_unicode_lower_differs[] = {")
    rows = [(c, lowercase.normalize_str(chr(c))) for c in code_points()]
    rows = [(c, low) for c, low in rows if low != utf8proc.lower(c)]
    for code, low in rows:
        second = ord(low[1]) if len(low) > 1 else 0
        print(f"{{0x{code:X}, 0x{ord(low[0]):X}, 0x{second:X}}},")
    print("};")
    print(f"const size_t mm_unicode_lower_differs_count = {len(rows)};")


if __name__ == "__main__":
    main()

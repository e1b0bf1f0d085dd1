#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/text/regex_tables.c: what the reference tokenizer library's regexes say of characters.

    python3 scripts/make_regex_tables.py | clang-format > src/text/regex_tables.c

The reference is the `tokenizers` wheel, asked about every code point. Its regexes know a newer
Unicode than PCRE2, so the tables also say which general categories the installed PCRE2 sees.
Run it again when either changes; it takes some minutes, and the same versions give the same bytes.
"""
import ctypes
import ctypes.util
import sys
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
ALL = "".join(map(chr, CODES))
CATEGORIES = ("Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp "
              "Cc Cf Co").split()
SCRIPTS = """Adlam Adlm|Ahom|Anatolian_Hieroglyphs Hluw|Arabic Arab|Armenian Armn|Avestan Avst|
Balinese Bali|Bamum Bamu|Bassa_Vah Bass|Batak Batk|Bengali Beng|Bhaiksuki Bhks|Bopomofo Bopo|
Brahmi Brah|Braille Brai|Buginese Bugi|Buhid Buhd|Canadian_Aboriginal Cans|Carian Cari|
Caucasian_Albanian Aghb|Chakma Cakm|Cham|Cherokee Cher|Chorasmian Chrs|Common Zyyy|Coptic Copt Qaac|
Cuneiform Xsux|Cypriot Cprt|Cypro_Minoan Cpmn|Cyrillic Cyrl|Deseret Dsrt|Devanagari Deva|
Dives_Akuru Diak|Dogra Dogr|Duployan Dupl|Egyptian_Hieroglyphs Egyp|Elbasan Elba|Elymaic Elym|
Ethiopic Ethi|Garay Gara|Georgian Geor|Glagolitic Glag|Gothic Goth|Grantha Gran|Greek Grek|
Gujarati Gujr|Gunjala_Gondi Gong|Gurmukhi Guru|Gurung_Khema Gukh|Han Hani|Hangul Hang|
Hanifi_Rohingya Rohg|Hanunoo Hano|Hatran Hatr|Hebrew Hebr|Hiragana Hira|Imperial_Aramaic Armi|
Inherited Zinh Qaai|Inscriptional_Pahlavi Phli|Inscriptional_Parthian Prti|Javanese Java|
Kaithi Kthi|Kannada Knda|Katakana Kana|Kawi|Kayah_Li Kali|Kharoshthi Khar|Khitan_Small_Script Kits|
Khmer Khmr|Khojki Khoj|Khudawadi Sind|Kirat_Rai Krai|Lao Laoo|Latin Latn|Lepcha Lepc|Limbu Limb|
Linear_A Lina|Linear_B Linb|Lisu|Lycian Lyci|Lydian Lydi|Mahajani Mahj|Makasar Maka|Malayalam Mlym|
Mandaic Mand|Manichaean Mani|Marchen Marc|Masaram_Gondi Gonm|Medefaidrin Medf|Meetei_Mayek Mtei|
Mende_Kikakui Mend|Meroitic_Cursive Merc|Meroitic_Hieroglyphs Mero|Miao Plrd|Modi|Mongolian Mong|
Mro Mroo|Multani Mult|Myanmar Mymr|Nabataean Nbat|Nag_Mundari Nagm|Nandinagari Nand|New_Tai_Lue Talu|
Newa|Nko Nkoo|Nushu Nshu|Nyiakeng_Puachue_Hmong Hmnp|Ogham Ogam|Ol_Chiki Olck|Ol_Onal Onao|
Old_Hungarian Hung|Old_Italic Ital|Old_North_Arabian Narb|Old_Permic Perm|Old_Persian Xpeo|
Old_Sogdian Sogo|Old_South_Arabian Sarb|Old_Turkic Orkh|Old_Uyghur Ougr|Oriya Orya|Osage Osge|
Osmanya Osma|Pahawh_Hmong Hmng|Palmyrene Palm|Pau_Cin_Hau Pauc|Phags_Pa Phag|Phoenician Phnx|
Psalter_Pahlavi Phlp|Rejang Rjng|Runic Runr|Samaritan Samr|Saurashtra Saur|Sharada Shrd|Shavian Shaw|
Siddham Sidd|SignWriting Sgnw|Sinhala Sinh|Sogdian Sogd|Sora_Sompeng Sora|Soyombo Soyo|
Sundanese Sund|Sunuwar Sunu|Syloti_Nagri Sylo|Syriac Syrc|Tagalog Tglg|Tagbanwa Tagb|Tai_Le Tale|
Tai_Tham Lana|Tai_Viet Tavt|Takri Takr|Tamil Taml|Tangsa Tnsa|Tangut Tang|Telugu Telu|Thaana Thaa|
Thai|Tibetan Tibt|Tifinagh Tfng|Tirhuta Tirh|Todhri Todr|Toto|Tulu_Tigalari Tutg|Ugaritic Ugar|
Unknown Zzzz|Vai Vaii|Vithkuqi Vith|Wancho Wcho|Warang_Citi Wara|Yezidi Yezi|Yi Yiii|
Zanabazar_Square Zanb"""
PROPERTIES = """Alphabetic Alpha|Uppercase Upper|Lowercase Lower|White_Space WSpace Space|Cased|
Ideographic Ideo|Unified_Ideograph UIdeo|Emoji|Emoji_Presentation|Emoji_Modifier|Emoji_Modifier_Base|
Emoji_Component|Extended_Pictographic|Dash|Diacritic Dia|Hex_Digit Hex|Quotation_Mark QMark|
Regional_Indicator RI|Variation_Selector VS|Math|Blank|Graph|Print|Punct|PosixPunct"""


def members(pattern):
    """The code points that a pattern for one character matches."""
    split = pre_tokenizers.Split(Regex(f"(?:{pattern})+"), "removed", invert=True)
    return [ord(c) for run, _ in split.pre_tokenize_str(ALL) for c in run]


def ranges(codes):
    result = []
    for code in codes:
        if result and result[-1][1] == code - 1:
            result[-1][1] = code
        else:
            result.append([code, code])
    return result


def print_runs(name, comment, values):
    """values: one number per code point; surrogates go with what stands before them."""
    print(f"// {comment}.\nconst uint32_t mm_{name}_runs[] = {{")
    count, last = 0, None
    for code, value in zip(CODES, values):
        if value != last:
            print(f"0x{code << 8 | value:X},")
            count, last = count + 1, value
    print(f"}};\nconst size_t mm_{name}_runs_count = {count};\n")


def scripts_of_pretokenizer():
    """For each code point a number, the same where UnicodeScripts does not cut; 0 goes with all."""
    cut = pre_tokenizers.UnicodeScripts().pre_tokenize_str
    found, values, last = [None], [], 0
    for code in CODES:
        text = chr(code)
        if len(cut("a" + text)) == 1 and len(cut("\u0431" + text)) == 1:
            last = 0
        elif not (last and len(cut(found[last] + text)) == 1):
            for last in range(1, len(found)):
                if len(cut(found[last] + text)) == 1:
                    break
            else:
                last = len(found)
                found.append(text)
        values.append(last)
    assert len(found) < 256
    return values


def categories():
    values = dict.fromkeys(CODES, 0)
    for number, name in enumerate(CATEGORIES):
        for code in members(rf"\p{{{name}}}"):
            values[code] = number
    return [values[code] for code in CODES]


class Pcre2:
    """Just enough to ask for general categories."""
    UTF, UCP = 0x80000, 0x20000

    def __init__(self):
        name = ctypes.util.find_library("pcre2-8")
        if not name:
            sys.exit("libpcre2-8 is not installed")
        self.library = ctypes.CDLL(name)
        for function in ("compile", "match_data_create"):
            getattr(self.library, f"pcre2_{function}_8").restype = ctypes.c_void_p
        self.library.pcre2_get_ovector_pointer_8.restype = ctypes.POINTER(ctypes.c_size_t)

    def unicode_version(self):
        text = ctypes.create_string_buffer(64)
        self.library.pcre2_config_8(10, text)
        return text.value.decode()

    def members(self, pattern):
        number, at = ctypes.c_int(), ctypes.c_size_t()
        source = f"(?:{pattern})+".encode()
        code = ctypes.c_void_p(self.library.pcre2_compile_8(
            source, ctypes.c_size_t(len(source)), self.UTF | self.UCP, ctypes.byref(number),
            ctypes.byref(at), None))
        if not code:
            return []
        data = ctypes.c_void_p(self.library.pcre2_match_data_create_8(1, None))
        subject, start, found = ALL.encode(), 0, []
        while self.library.pcre2_match_8(code, subject, ctypes.c_size_t(len(subject)),
                                         ctypes.c_size_t(start), 0, data, None) > 0:
            vector = self.library.pcre2_get_ovector_pointer_8(data)
            found += map(ord, subject[vector[0]:vector[1]].decode())
            start = vector[1]
        return found

    def categories(self):
        values = dict.fromkeys(CODES, 0)
        for number, name in enumerate(CATEGORIES):
            for code in self.members(rf"\p{{{name}}}"):
                values[code] = number
        return [values[code] for code in CODES]


def clusters():
    """What \\X knows of characters; no names that \\p{..} could mean."""
    cut = pre_tokenizers.Split(Regex(r"\X"), "isolated").pre_tokenize_str

    def whole(text):
        return len(cut(text)) == 1
    extends = [c for c in CODES if whole("a" + chr(c))]
    control = [c for c in CODES if not whole(chr(c) + "\u0301")]
    yield "+control", control
    yield "+extends", extends
    yield "+joins", [c for c in extends if whole(f"\U0001f600{chr(c)}\u200d\U0001f600")]
    yield "+prepends", [c for c in CODES if whole(chr(c) + "a")]
    yield "+pictograph", [c for c in CODES if whole(f"\U0001f600\u200d{chr(c)}")
                          and not whole("a" + chr(c))]
    # Hangul by what it goes before and after.
    before_v = [c for c in CODES if whole(chr(c) + "\u1161") and not whole(chr(c) + "a")]
    after_v = [c for c in CODES if whole("\u1161" + chr(c)) and c not in set(extends)]
    leads = [c for c in before_v if whole(chr(c) + "\uac00")]
    vowels = [c for c in after_v if whole(chr(c) + "\u1161")]
    yield "+lead", leads
    yield "+vowel", vowels
    yield "+trail", [c for c in after_v if c not in set(vowels)]
    yield "+lv", sorted(set(before_v) - set(leads) - set(vowels))
    yield "+lvt", [c for c in range(0xAC00, 0xD7A4) if (c - 0xAC00) % 28]


def print_properties():
    print("// Ranges of the named properties, one after the other.")
    print("const mm_code_range mm_property_ranges[] = {")
    rows, total = [], 0
    for entry in (SCRIPTS + "|" + PROPERTIES).replace("\n", "").split("|"):
        names = entry.split()
        part = ranges(members(rf"\p{{{names[0]}}}"))
        print("".join(f"{{0x{first:X}, 0x{last:X}}}," for first, last in part))
        for name in names:
            rows.append((name.lower().replace("_", ""), total, len(part)))
        total += len(part)
    for name, codes in clusters():
        part = ranges(codes)
        print("".join(f"{{0x{first:X}, 0x{last:X}}}," for first, last in part))
        rows.append((name, total, len(part)))
        total += len(part)
    print("};\n\n// Sorted by name.\nconst mm_property mm_properties[] = {")
    for name, start, count in sorted(rows):
        print(f'{{"{name}", {start}, {count}}},')
    print(f"}};\nconst size_t mm_properties_count = {len(rows)};\n")


def print_folds():
    """Characters that are equal without case, as rings: each with the next of its ring."""
    lower, group = normalizers.Lowercase(), {}
    for code in CODES:
        text = chr(code)
        for other in (lower.normalize_str(text), text.casefold(), text.upper(), text.title(),
                      unicodedata.normalize("NFC", text) if code in (0x2126, 0x212A, 0x212B) else text):
            if len(other) == 1 and other != text:
                merged = group.get(text, {text}) | group.get(other, {other})
                for member in merged:
                    group[member] = merged
    rows = []
    for text, others in sorted(group.items()):
        anyone = Regex(f"(?i:\\A\\x{{{ord(text):X}}}\\z)")
        split = pre_tokenizers.Split(anyone, "removed")
        equal = sorted(c for c in others if not split.pre_tokenize_str(c))
        if len(equal) > 1:
            rows.append((ord(text), ord(equal[(equal.index(text) + 1) % len(equal)])))
    print("// Characters that are equal without case: each with the next of its ring.")
    print("const mm_fold mm_folds[] = {")
    for code, following in rows:
        print(f"{{0x{code:X}, 0x{following:X}}},")
    print(f"}};\nconst size_t mm_folds_count = {len(rows)};")


def main():
    pcre2 = Pcre2()
    print("// SPDX-License-Identifier: Apache-2.0")
    print("// Generated by scripts/make_regex_tables.py; do not edit.")
    print(f"// tokenizers {tokenizers.__version__}, PCRE2 with Unicode {pcre2.unicode_version()}.")
    print('#include "text/regex_tables.h"\n')
    print_runs("script", "First code point << 8 | script as UnicodeScripts sees it; 0 goes with any",
               scripts_of_pretokenizer())
    theirs, ours = categories(), pcre2.categories()
    print_runs("category", "First code point << 8 | general category in regexes", theirs)
    print(f'const char mm_pcre2_unicode[] = "{pcre2.unicode_version()}";')
    print_runs("pcre2_category", "First code point << 8 | general category in PCRE2", ours)
    print_properties()
    print_folds()


if __name__ == "__main__":
    main()

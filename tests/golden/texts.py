# SPDX-License-Identifier: Apache-2.0
"""Texts for reference data: few for the small models, hundreds for the real one. Seeded."""
import random

LONG = " ".join(f"Sentence number {n} says that the river rises in the hills and ends in the sea."
                for n in range(40))

# Short, since every folder of small models holds the vectors of all of them.
FEW = [
    "",
    "   ",
    "x",
    "The cat sat on the mat.",
    "The cat sat on the mat.",
    "Twelve engineers measured the old bridge, and found it sound.",
    "\u5317\u4eac\u662f\u4e2d\u56fd\u7684\u9996\u90fd \u6771\u4eac\u30bf\u30ef\u30fc \uc11c\uc6b8 \u0e01\u0e23\u0e38\u0e07\u0e40\u0e17\u0e1e",
    "\U0001f469\u200d\U0001f52c science \U0001f3f3\ufe0f\u200d\U0001f308 \U0001f44b\U0001f3fe wave",
    "Re\u0301sume\u0301 \u00e9t\u00e9 na\u00efve \ufb01sh \u00bc A\u030angstr\u00f6m \u201cquote\u201d",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947",
    "tabs\tand\nlines\r\nand\u0001\u007f\u200b\ufeff\u00a0\u00adcontrol",
    "[CLS] marks [SEP] as [MASK] text [UNK] <s> </s> <mask>",
    "  spaces around  ",
    "SHOUTING \u00c0\u00c8\u00cc STRASSE \u0130STANBUL \u039f\u0394\u039f\u03a3",
    "1,024 * 3.5e-7 = ? 2026-01-31 0xFF",
    "?!...---___(([[{{}}]]))$+<=>^`|~",
    "w" * 110,
    LONG,
]

SUBJECTS = ["the baker", "a small dog", "our neighbour", "the night train", "my grandmother",
            "a physicist", "the harbour", "this algorithm", "the committee", "an old violin",
            "the patient", "a solar panel", "the museum", "her brother", "the compiler"]
VERBS = ["repairs", "describes", "quietly carries", "sells", "has forgotten", "measures",
         "will replace", "never trusts", "paints", "compares", "optimises", "borrowed"]
OBJECTS = ["a red bicycle", "the warranty", "two loaves of bread", "the speed of light",
           "a broken clock", "several databases", "the last tram home", "a recipe for soup",
           "an unexpected letter", "the tax return", "a map of the coast", "wet paint"]
ENDINGS = ["", ", again", " before sunrise", " in Paris", " without a permit", " for \u20ac 12.50",
           " (nobody knows why)", "; it rains", " \u2014 finally", " at 7:45 pm", " on GitHub"]
MARKS = [".", "!", "?", "...", ""]

SCRIPTS = {
    "han": "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u6211\u4eec\u53bb\u516c\u56ed\u6563\u6b65\u5b66\u4e60\u673a\u5668\u7ffb\u8bd1\u6570\u636e\u5e93\u9f98\u3400\U00020000\uf900",
    "kana": "\u3053\u3093\u306b\u3061\u306f\u30ab\u30bf\u30ab\u30ca\u3072\u3089\u304c\u306a\u304c\u3071\u30fc\u30d7\u3046\u3099",
    "hangul": "\uc548\ub155\ud558\uc138\uc694\ubc18\uac11\uc2b5\ub2c8\ub2e4\u1112\u1161\u11ab",
    "arabic": "\u0627\u0644\u0633\u0644\u0627\u0645\u0639\u0644\u064a\u0643\u0645\u064e\u0650\u064f\u0651\u0640\u06a9\u06cc",
    "hebrew": "\u05e9\u05dc\u05d5\u05dd\u05e2\u05d5\u05dc\u05dd\u05d1\u05bc\u05b0\u05e8\u05b5\u05d0\u05e9\u05c1\u05b4\u05d9\u05ea",
    "devanagari": "\u0928\u092e\u0938\u094d\u0924\u0947\u0926\u0941\u0928\u093f\u092f\u093e\u0939\u093f\u0928\u094d\u0926\u0940\u0915\u094d\u0937\u0964",
    "thai": "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01\u0e01\u0e33\u0e19\u0e49\u0e33",
    "cyrillic": "\u041f\u0440\u0438\u0432\u0435\u0442\u043c\u0438\u0440\u0451\u0439\u0437\u0434\u0456\u0457\u0490\u04cf",
    "greek": "\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1\u03ba\u03cc\u03c3\u03bc\u03b5\u03a3\u03c3\u03c2\u1f00\u1fb3\u1ff7",
    "tamil": "\u0bb5\u0ba3\u0b95\u0bcd\u0b95\u0bae\u0bcd\u0b89\u0bb2\u0b95\u0bae\u0bcd",
    "georgian": "\u10d2\u10d0\u10db\u10d0\u10e0\u10ef\u10dd\u10d1\u10d0\u1c90\u1c91",
    "ethiopic": "\u1230\u120b\u121d\u12d3\u1208\u121d\u1361\u1362",
    "latin": "\u00e4\u00f6\u00fc\u00df\u00f1\u00e7\u0142\u0159\u0111\u00f8\u00e5\u00fe\u0130\u0131\u01c6\u1e9e\ufb03\u1e69\u0323",
    "vietnamese": "Ti\u1ebfng Vi\u1ec7t \u0111\u01b0\u1ee3c vi\u1ebft b\u1eb1ng ch\u1eef Qu\u1ed1c ng\u1eef",
    "symbols": "\u00a9\u2122\u2192\u2211\u221e\u2260\u20ac\u00a3\u00a5\u2030\u00bd\u00b2\u2460\u2605\u2028\u3000\u2009",
    "punctuation": "\u00bf\u00a1\u2018\u2019\u201c\u201d\u2026\u2013\u2014\u3001\u3002\uff01\uff1f\u300c\u300d\u060c\u061f\u0964",
    "fullwidth": "\uff21\uff22\uff23\uff41\uff42\uff43\uff10\uff11\uff12\uff06\uff76\uff9e",
    "mathematical": "\U0001d400\U0001d41a\U0001d7d8\U0001d55c\u212b\u2126\u210c",
    "emoji": "\U0001f600\U0001f680\u2764\ufe0f\U0001f1eb\U0001f1f7\u0031\ufe0f\u20e3\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "rare": "\ue000\ufffd\ufdfa\u0378\U000e0041\U0001f9ff\U0001fae8\u2e80",
}

ODD = [
    "", " ", "\t", "\n\n", "\u00a0\u2003\u3000", "\u200b", "\u200d\u200d", "\u0301", "\ufeff",
    "\u0001\u0002\u001f\u007f\u0080\u009f", "a\u0001b\u0002c", "a\u0085b\u2028c\u2029d",
    "[CLS]", "[SEP] [SEP]", "[MASK]", "[PAD][PAD]", "[UNK]", "[cls] [Sep]", "x[SEP]y", "[MASK]ed",
    "##ing ##s", "a##b", "<s> </s> <|endoftext|>", "don't can't I'm we've they'd you'll",
    "e.g. i.e. U.S.A. Ph.D.", "C++ C# F# .NET Node.js", "x==y && z!=w || !v", "user@example.org",
    "https://example.org/a/b?c=d&e=f#g", "#hashtag @mention", "$1,234.56", "1e-10 0x1F 1_000",
    "a" * 99, "a" * 100, "a" * 101, "ab" * 60, "\u00e9" * 100, "e\u0301" * 100, "\u4e2d" * 100,
    "...." * 30, "\U0001f600" * 20, "!" * 200, "a b " * 50, "\u202eright to left\u202c",
    "z\u0335\u0321a\u0300\u0301\u0302\u0303l\u0338\u0339g\u0353o\u0489", "o\u0308\u0323 \u1ed9",
    "I\u0307 i\u0307 \u0130 \u0131", "\u1e9e \u00df SS", "\ufb00 \ufb01 \ufb02 \ufb03 \ufb04",
    "\u01c4 \u01c5 \u01c6", "\u212a \u212b", "\u2160\u2161\u2162", "\u3231 \u32ff", "\u0660\u0661\u0662",
]


def sentence(random_):
    subject = random_.choice(SUBJECTS)
    if random_.random() < 0.7:
        subject = subject[0].upper() + subject[1:]
    return (f"{subject} {random_.choice(VERBS)} {random_.choice(OBJECTS)}"
            f"{random_.choice(ENDINGS)}{random_.choice(MARKS)}")


def script_text(random_, letters):
    words = ("".join(random_.choice(letters) for _ in range(random_.randint(1, 9)))
             for _ in range(random_.randint(1, 14)))
    return random_.choice([" ", " ", "", "  "]).join(words)


def many(seed=7):
    """Over 350 texts of all lengths and scripts; the same for the same seed."""
    random_ = random.Random(seed)
    texts = list(FEW) + list(ODD)
    texts += [sentence(random_) for _ in range(80)]
    for letters in SCRIPTS.values():
        texts += [script_text(random_, letters) for _ in range(5)]
        texts.append(f"{sentence(random_)} {script_text(random_, letters)}")
    # Two to seven hundred words: well past the longest sequence a model takes.
    for count in range(1, 61):
        texts.append(" ".join(sentence(random_) for _ in range(count if count < 40 else count * 2)))
    for _ in range(40):
        scripts = random_.sample(sorted(SCRIPTS), 3)
        texts.append(" ".join(script_text(random_, SCRIPTS[name]) for name in scripts))
    return texts


def noise(random_, count):
    """Texts of random code points, for comparing live."""
    ranges = [(1, 0x7f), (0x20, 0x7e), (0x80, 0x2ff), (0x300, 0x6ff), (0x900, 0xe7f),
              (0x1e00, 0x23ff), (0x3040, 0x9fff), (0xac00, 0xd7a3), (0xf900, 0xffff),
              (0x1f300, 0x1faff)]
    texts = []
    for _ in range(count):
        low, high = random_.choice(ranges)
        texts.append("".join(
            random_.choice(["a", " ", "e", chr(random_.randint(low, high))])
            for _ in range(random_.randint(0, 80))))
    return texts

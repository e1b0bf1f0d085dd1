# SPDX-License-Identifier: Apache-2.0
"""Numbers in words, as in British English: what numbers/ was trained on, and what tests hold against it."""
SMALL = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
         "eighteen nineteen").split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_words(number):
    if number < 20:
        return SMALL[number]
    if number < 100:
        return TENS[number // 10 - 2] + ("-" + SMALL[number % 10] if number % 10 else "")
    big, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    text, rest = f"{in_words(number // big)} {name}", number % big
    return f"{text} {'and ' if 0 < rest < 100 else ''}{in_words(rest)}" if rest else text

// SPDX-License-Identifier: Apache-2.0
#include "text/clean_up.h"

#include <stdbool.h>
#include <string.h>

typedef struct rule {
    const char *from, *to; // never longer
    bool only_token;
} rule;

// One after the other, each over all of the text.
static const rule rules[] = {
    {" .", ".", false},     {" ?", "?", false},          {" !", "!", false},
    {" ,", ",", false},     {" ' ", "'", false},         {" n't", "n't", false},
    {" 'm", "'m", false},   {" do not", " don't", true}, {" 's", "'s", false},
    {" 've", "'ve", false}, {" 're", "'re", false},
};

static size_t apply(const rule *own, char *text, size_t length) {
    size_t from_length = strlen(own->from), to_length = strlen(own->to), at = 0, kept = 0;
    while (at < length) {
        const char *found = memmem(text + at, length - at, own->from, from_length);
        size_t plain = found ? (size_t)(found - (text + at)) : length - at;
        memmove(text + kept, text + at, plain);
        kept += plain;
        at += plain;
        if (found) {
            memcpy(text + kept, own->to, to_length);
            kept += to_length;
            at += from_length;
        }
    }
    return kept;
}

static void clean_up(char *text, size_t *length, bool token) {
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (token || !rules[i].only_token)
            *length = apply(&rules[i], text, *length);
}

void mm_clean_up_text(char *text, size_t *length) {
    clean_up(text, length, false);
}

void mm_clean_up_token(char *text, size_t *length) {
    clean_up(text, length, true);
}

size_t mm_clean_up_settled(const char *text, size_t length, size_t from) {
    // Rules take away blanks only, and what they look for begins with one. So none of them reaches
    // over a place between another character and a blank, unless that character may stand inside
    // of what is looked for.
    static const char inner[] = " 'nvr";
    for (size_t at = length; at-- > (from ? from : 1);)
        if (text[at] == ' ' && !memchr(inner, text[at - 1], sizeof(inner) - 1))
            return at;
    return 0;
}

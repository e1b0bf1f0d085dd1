// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_texts.h"

#include "base/buffer.h"

static const char *const words[] = {
    "account",   "afternoon", "already",  "answer",  "apple",    "autumn",    "balance",
    "beautiful", "before",    "bicycle",  "bridge",  "building", "careful",   "century",
    "children",  "clear",     "company",  "concert", "copper",   "country",   "daughter",
    "delivery",  "different", "doctor",   "early",   "economy",  "energy",    "evening",
    "example",   "family",    "finger",   "forest",  "friend",   "garden",    "glass",
    "ground",    "harbour",   "history",  "hotel",   "idea",     "industry",  "island",
    "journey",   "kitchen",   "language", "letter",  "library",  "market",    "measure",
    "message",   "mirror",    "morning",  "music",   "nation",   "notebook",  "number",
    "office",    "opinion",   "orange",   "paper",   "people",   "picture",   "planet",
    "problem",   "quality",   "question", "railway", "reason",   "report",    "river",
    "salt",      "school",    "science",  "second",  "shadow",   "signal",    "silver",
    "slow",      "soldier",   "spring",   "station", "story",    "street",    "summer",
    "system",    "table",     "teacher",  "theory",  "ticket",   "together",  "travel",
    "under",     "valley",    "village",  "voice",   "water",    "weather",   "window",
    "winter",    "wonder",    "world",    "writing", "yellow",   "yesterday", "the",
    "a",         "of",        "and",      "to",      "in",       "that",      "was",
    "with",      "for",       "is",       "on",      "by",       "it",        "from",
    "at",        "the",       "a",        "of",      "and",      "to",        "in",
    "that",      "was",
};
enum { WORD_COUNT = sizeof(words) / sizeof(words[0]) };

// Knuth's MMIX generator; the high bits are the good ones.
static uint32_t draw(uint64_t *state, uint32_t below) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % below);
}

static bool write_text(mm_buffer *text, uint64_t *state, uint32_t count) {
    mm_buffer_clear(text);
    for (uint32_t i = 0; i < count; i++) {
        if (i && !mm_buffer_putc(text, ' '))
            return false;
        bool written = draw(state, 32) == 0
                           ? mm_buffer_printf(text, "%u", (unsigned)draw(state, 2400))
                           : mm_buffer_puts(text, words[draw(state, WORD_COUNT)]);
        if (!written || (draw(state, 12) == 0 && !mm_buffer_putc(text, ',')))
            return false;
    }
    return mm_buffer_putc(text, '.');
}

static const struct {
    uint64_t seed;
    uint32_t count, shortest, longest; // words
} shapes[] = {
    [MM_BENCH_SHORT] = {11, 1000, 5, 14},
    [MM_BENCH_MIXED] = {12, 300, 4, 300},
    [MM_BENCH_SOURCES] = {13, 8, 60, 200},
};

mm_status mm_bench_texts(mm_request *request, mm_bench_kind kind, mm_error *error) {
    uint64_t state = shapes[kind].seed;
    uint32_t shortest = shapes[kind].shortest, longest = shapes[kind].longest;
    mm_status status = MM_STATUS_OK;
    mm_buffer text;
    mm_buffer_init(&text, 1 << 20);
    for (uint32_t i = 0; i < shapes[kind].count && !status; i++) {
        if (write_text(&text, &state, shortest + draw(&state, longest - shortest + 1)))
            status = mm_request_add_text(request, text.data, text.length, error);
        else
            status = mm_fail_memory(error, "the texts");
    }
    mm_buffer_free(&text);
    return status;
}

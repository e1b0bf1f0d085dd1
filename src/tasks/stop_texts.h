// SPDX-License-Identifier: Apache-2.0
// Texts that end a generated one (transformers generation/stopping_criteria.py,
// StopStringCriteria): as soon as the decoded text holds one of them, however it is divided into
// tokens.
#ifndef MM_TASKS_STOP_TEXTS_H
#define MM_TASKS_STOP_TEXTS_H

#include "tasks/generation_settings.h"
#include "text/tokenizer.h"

// Reads ids as they stand in the middle of a text, where a word keeps the blank before it: behind a
// lead that is cut off again. For one thread.
typedef struct mm_stop_reader {
    const mm_tokenizer *tokenizer; // the caller's
    int32_t *ids;                  // [capacity] the lead, and room for those behind it
    size_t capacity, lead_count;
    size_t lead_length; // bytes of its text
} mm_stop_reader;

mm_status mm_stop_reader_create(mm_stop_reader *out, const mm_tokenizer *tokenizer,
                                mm_error *error);
void mm_stop_reader_free(mm_stop_reader *reader); // leaves a zeroed one
// Whether ids [count] say one of the texts, which they did not without the last of them.
mm_status mm_stop_texts_reached(bool *out, mm_stop_reader *reader, const mm_text_list *list,
                                const int32_t *ids, size_t count, mm_error *error);
// The text of ids [count] (the caller's to mm_free) up to the first stop text.
mm_status mm_stop_texts_decode(char **out, size_t *length, mm_stop_reader *reader,
                               const mm_text_list *list, const int32_t *ids, size_t count,
                               mm_error *error);
// Where the first of the texts begins; `length` when none is there.
size_t mm_stop_texts_find(const mm_text_list *list, const char *text, size_t length);
// How many bytes at the end of the text may be the beginning of one of them: whoever shows a text
// while it grows holds them back.
size_t mm_stop_texts_held(const mm_text_list *list, const char *text, size_t length);

#endif

// SPDX-License-Identifier: Apache-2.0
#include "text/vocabulary_json.h"

#include <string.h>

enum { MAX_GUESS = 8 << 20 };

static bool read_id(mm_json_cursor *in, uint32_t *id) {
    mm_json_skip_space(in);
    const char *start = in->at;
    uint64_t value = 0;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9' && value <= UINT32_MAX)
        value = value * 10 + (uint64_t)(*in->at++ - '0');
    if (in->at == start || value > UINT32_MAX || (*start == '0' && in->at - start > 1))
        return false;
    *id = (uint32_t)value;
    return true;
}

static mm_json_result read_member(mm_vocabulary *vocabulary, mm_json_cursor *in,
                                  mm_buffer *scratch) {
    mm_json_part token;
    uint32_t id;
    mm_json_result result = mm_json_take_string(in, &token, scratch);
    if (result)
        return result;
    if (!mm_json_take(in, ':') || !read_id(in, &id))
        return MM_JSON_BAD;
    return mm_vocabulary_add(vocabulary, token.start, token.length, id) ? MM_JSON_OK
                                                                        : MM_JSON_NO_MEMORY;
}

mm_status mm_vocabulary_read_object(mm_vocabulary *vocabulary, mm_json_part part, const char *where,
                                    mm_error *error) {
    mm_json_cursor in = {part.start, part.start + part.length};
    mm_buffer scratch;
    mm_buffer_init(&scratch, part.length + 1);
    // An entry takes some 20 bytes as files are written today, 13 without line breaks.
    size_t estimate = part.length < MAX_GUESS ? part.length / 16 : MAX_GUESS / 16;
    if (estimate > 1000 && !mm_vocabulary_reserve(vocabulary, estimate, estimate * 8))
        return mm_fail_memory(error, "the vocabulary");
    mm_json_result result = mm_json_take(&in, '{') ? MM_JSON_OK : MM_JSON_BAD;
    if (!result && !mm_json_take(&in, '}')) {
        do {
            result = read_member(vocabulary, &in, &scratch);
        } while (!result && mm_json_take(&in, ','));
        if (!result && !mm_json_take(&in, '}'))
            result = MM_JSON_BAD;
    }
    mm_json_skip_space(&in);
    if (!result && in.at != in.end)
        result = MM_JSON_BAD;
    mm_buffer_free(&scratch);
    if (result == MM_JSON_BAD)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: \"vocab\" must map tokens to ids from 0 to 4294967295; it does not at "
                       "entry %zu",
                       where, vocabulary->count + 1);
    if (result == MM_JSON_NO_MEMORY || !mm_vocabulary_finish(vocabulary))
        return mm_fail_memory(error, "the vocabulary");
    return MM_STATUS_OK;
}

// SPDX-License-Identifier: Apache-2.0
// Reads merges: an array of "left right" or of ["left", "right"], or lines of a merges.txt.
#include "text/model_bpe.h"

#include "base/utf8.h"

#include <string.h>

typedef struct reader {
    mm_model *model;
    mm_bpe *bpe;
    mm_buffer left, right; // texts with escapes
    size_t number;         // of the merge being read
    size_t made;           // the vocabulary's entry that the last merge made
    const char *where;
    mm_error *error;
} reader;

static mm_status fail_memory(const reader *self) {
    return mm_fail_memory(self->error, "merges");
}

static mm_status fail_shape(const reader *self, const char *problem) {
    return mm_fail(self->error, MM_STATUS_MODEL_CORRUPT, "%s: merge %zu %s", self->where,
                   self->number, problem);
}

static mm_status fail_unknown(const reader *self, mm_json_part first, mm_json_part second) {
    return mm_fail(self->error, MM_STATUS_MODEL_CORRUPT,
                   "%s: merge %zu: the vocabulary lacks \"%.*s%.*s\"", self->where, self->number,
                   (int)(first.length < 100 ? first.length : 100), first.start,
                   (int)(second.length < 100 ? second.length : 100), second.start);
}

static uint64_t hash_more(uint64_t hash, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        hash = mm_vocabulary_hash(hash, (unsigned char)bytes[i]);
    return hash;
}

// The token that a merge makes; `hash` is that of its left part. Vocabularies mostly have these
// tokens in the order of the merges, so the one behind the last is looked at first.
static const mm_vocabulary_entry *find_made(const reader *self, uint64_t hash, mm_json_part left,
                                            mm_json_part right) {
    const mm_vocabulary *vocabulary = &self->model->vocabulary;
    if (self->made + 1 < vocabulary->count) {
        const mm_vocabulary_entry *next = &vocabulary->entries[self->made + 1];
        const char *bytes = vocabulary->bytes + next->offset;
        if (next->length == left.length + right.length &&
            memcmp(bytes, left.start, left.length) == 0 &&
            memcmp(bytes + left.length, right.start, right.length) == 0)
            return next;
    }
    return mm_vocabulary_probe(vocabulary, hash_more(hash, right.start, right.length), left.start,
                               left.length, right.start, right.length);
}

static mm_status add_merge(reader *self, mm_json_part left, mm_json_part right) {
    static const mm_json_part none = {"", 0};
    const mm_vocabulary *vocabulary = &self->model->vocabulary;
    uint64_t hash = hash_more(MM_VOCABULARY_SEED, left.start, left.length);
    const mm_vocabulary_entry *first =
        mm_vocabulary_probe(vocabulary, hash, "", 0, left.start, left.length);
    if (!first)
        return fail_unknown(self, left, none);
    uint32_t second;
    if (!mm_vocabulary_find(vocabulary, right.start, right.length, &second))
        return fail_unknown(self, right, none);
    // What continues a word loses its prefix when it becomes part of a longer token.
    size_t prefix = self->bpe->prefix.length;
    if (right.length < prefix || (right.length > prefix && (right.start[prefix] & 0xC0) == 0x80))
        return fail_shape(self, "is without \"continuing_subword_prefix\"");
    right.start += prefix;
    right.length -= prefix;
    const mm_vocabulary_entry *both = find_made(self, hash, left, right);
    if (!both)
        return fail_unknown(self, left, right);
    self->made = (size_t)(both - vocabulary->entries);
    return mm_merge_table_add(&self->bpe->merges, first->id, second, both->id) ? MM_STATUS_OK
                                                                               : fail_memory(self);
}

// "left right"; lines that say the file's version count for nothing.
static mm_status add_line(reader *self, mm_json_part line) {
    static const char version[] = "#version";
    size_t length = sizeof(version) - 1;
    if (line.length >= length && memcmp(line.start, version, length) == 0)
        return MM_STATUS_OK;
    self->number++;
    const char *end = line.start + line.length;
    const char *blank = line.length ? memchr(line.start, ' ', line.length) : NULL;
    if (!blank || memchr(blank + 1, ' ', (size_t)(end - blank - 1)))
        return fail_shape(self, "is not two tokens with one blank between them");
    mm_json_part left = {line.start, (size_t)(blank - line.start)};
    mm_json_part right = {blank + 1, (size_t)(end - blank - 1)};
    return add_merge(self, left, right);
}

static mm_status check_string(const reader *self, mm_json_result result) {
    if (result == MM_JSON_NO_MEMORY)
        return fail_memory(self);
    return result ? fail_shape(self, "is neither \"left right\" nor [\"left\", \"right\"]")
                  : MM_STATUS_OK;
}

static mm_status read_item(reader *self, mm_json_cursor *in, bool pairs) {
    mm_json_part left, right;
    if (!pairs) {
        mm_status status = check_string(self, mm_json_take_string(in, &left, &self->left));
        return status ? status : add_line(self, left);
    }
    self->number++;
    mm_json_result result = mm_json_take(in, '[') ? MM_JSON_OK : MM_JSON_BAD;
    if (!result)
        result = mm_json_take_string(in, &left, &self->left);
    if (!result && !mm_json_take(in, ','))
        result = MM_JSON_BAD;
    if (!result)
        result = mm_json_take_string(in, &right, &self->right);
    if (!result && !mm_json_take(in, ']'))
        result = MM_JSON_BAD;
    mm_status status = check_string(self, result);
    return status ? status : add_merge(self, left, right);
}

static mm_status read_array(reader *self, mm_json_part array) {
    mm_json_cursor in = {array.start, array.start + array.length};
    if (!mm_json_take(&in, '['))
        return fail_shape(self, "is not in an array");
    mm_status status = MM_STATUS_OK;
    if (!mm_json_take(&in, ']')) {
        mm_json_skip_space(&in);
        bool pairs = in.at < in.end && *in.at == '['; // all as the first one
        do {
            status = read_item(self, &in, pairs);
        } while (!status && mm_json_take(&in, ','));
        if (!status && !mm_json_take(&in, ']'))
            status = fail_shape(self, "has no comma behind it");
    }
    mm_json_skip_space(&in);
    if (!status && in.at != in.end)
        status = fail_shape(self, "is followed by other things");
    return status;
}

static mm_status start(reader *self, mm_model *model, size_t length, const char *where,
                       mm_error *error) {
    *self = (reader){.model = model, .bpe = model->settings, .where = where, .error = error};
    mm_buffer_init(&self->left, length + 1);
    mm_buffer_init(&self->right, length + 1);
    // About as many as there are tokens, but never more than the text can hold.
    size_t count = model->vocabulary.count, most = length / 4 + 1;
    if (count > most)
        count = most;
    return mm_merge_table_reserve(&self->bpe->merges, count) ? MM_STATUS_OK : fail_memory(self);
}

mm_status mm_bpe_read_merges(mm_model *model, mm_json_part array, const char *where,
                             mm_error *error) {
    reader self;
    mm_status status = start(&self, model, array.length, where, error);
    if (!status)
        status = read_array(&self, array);
    mm_buffer_free(&self.left);
    mm_buffer_free(&self.right);
    return status;
}

mm_status mm_bpe_read_merge_lines(mm_model *model, mm_json_part lines, const char *where,
                                  mm_error *error) {
    const char *text = lines.start;
    size_t length = lines.length, bad;
    reader self;
    if (!mm_utf8_valid(text, length, &bad))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: not UTF-8 at byte %zu", where, bad);
    mm_status status = start(&self, model, length, where, error);
    for (size_t at = 0; at < length && !status;) {
        const char *newline = memchr(text + at, '\n', length - at);
        size_t end = newline ? (size_t)(newline - text) : length, next = end + 1;
        if (newline && end > at && text[end - 1] == '\r')
            end--;
        status = add_line(&self, (mm_json_part){text + at, end - at});
        at = next;
    }
    return status;
}

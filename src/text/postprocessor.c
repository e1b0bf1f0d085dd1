// SPDX-License-Identifier: Apache-2.0
#include "text/postprocessor.h"

#include "base/memory.h"
#include "text/stages.h"

#include <string.h>

typedef struct kind {
    const char *type;
    mm_status (*read)(mm_postprocessor *out, const json_t *config, const char *where,
                      mm_error *error);
} kind;

void mm_postprocessor_free(mm_postprocessor *postprocessor) {
    mm_free(postprocessor->single.parts);
    mm_free(postprocessor->pair.parts);
    *postprocessor = (mm_postprocessor){0};
}

static mm_status add(mm_template *template, mm_template_part_kind part_kind, uint32_t id,
                     int32_t type_id, mm_error *error) {
    if (template->count == template->capacity) {
        size_t capacity = template->capacity * 2 + 8;
        mm_template_part *parts = mm_array_realloc(template->parts, capacity, sizeof(*parts));
        if (!parts)
            return mm_fail_memory(error, "a post-processor");
        template->parts = parts;
        template->capacity = capacity;
    }
    template->parts[template->count++] = (mm_template_part){part_kind, id, type_id};
    template->special_count += part_kind == MM_PART_SPECIAL;
    return MM_STATUS_OK;
}

// A template in short: c = cls, s = sep, A and B = the sequences, each followed by its type.
static mm_status add_all(mm_template *template, const char *pattern, uint32_t cls, uint32_t sep,
                         mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (; *pattern && !status; pattern += 2) {
        mm_template_part_kind part_kind = *pattern == 'A'   ? MM_PART_TEXT
                                          : *pattern == 'B' ? MM_PART_PAIR
                                                            : MM_PART_SPECIAL;
        status = add(template, part_kind, *pattern == 'c' ? cls : sep, pattern[1] - '0', error);
    }
    return status;
}

mm_status mm_postprocessor_make(mm_postprocessor *out, const char *single, const char *pair,
                                uint32_t cls, uint32_t sep, mm_error *error) {
    mm_status status = add_all(&out->single, single, cls, sep, error);
    return status ? status : add_all(&out->pair, pair, cls, sep, error);
}

// The id in ["[SEP]", 102].
static mm_status read_token(uint32_t *id, const json_t *config, const char *key, const char *where,
                            mm_error *error) {
    const json_t *value = json_array_get(json_object_get(config, key), 1);
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > UINT32_MAX)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"%s\" must be [token, id]", where,
                       key);
    *id = (uint32_t)json_integer_value(value);
    return MM_STATUS_OK;
}

static mm_status read_bert(mm_postprocessor *out, const json_t *config, const char *where,
                           mm_error *error) {
    uint32_t cls, sep;
    mm_status status = read_token(&sep, config, "sep", where, error);
    if (!status)
        status = read_token(&cls, config, "cls", where, error);
    return status ? status : mm_postprocessor_make(out, "c0A0s0", "c0A0s0B1s1", cls, sep, error);
}

static mm_status read_roberta(mm_postprocessor *out, const json_t *config, const char *where,
                              mm_error *error) {
    uint32_t cls, sep;
    mm_status status =
        mm_json_get_bool(&out->trim_offsets, config, "trim_offsets", true, where, error);
    if (!status)
        status = mm_json_get_bool(&out->add_prefix_space, config, "add_prefix_space", true, where,
                                  error);
    if (!status)
        status = read_token(&sep, config, "sep", where, error);
    if (!status)
        status = read_token(&cls, config, "cls", where, error);
    if (status)
        return status;
    return mm_postprocessor_make(out, "c0A0s0", "c0A0s0s0B0s0", cls, sep, error);
}

static mm_status add_special(mm_template *template, const json_t *specials, const json_t *name,
                             int32_t type_id, const char *where, mm_error *error) {
    const char *text = json_string_value(name);
    const json_t *ids = text ? json_object_get(json_object_get(specials, text), "ids") : NULL;
    if (!json_is_array(ids))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: \"special_tokens\" lacks the ids of \"%s\"", where, text ? text : "");
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < json_array_size(ids) && !status; i++) {
        const json_t *id = json_array_get(ids, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) > UINT32_MAX)
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: an id of \"%s\" is no id", where,
                           text);
        status = add(template, MM_PART_SPECIAL, (uint32_t)json_integer_value(id), type_id, error);
    }
    return status;
}

static mm_status read_template(mm_template *template, const json_t *parts, const json_t *specials,
                               bool is_pair, const char *where, mm_error *error) {
    if (!json_is_array(parts))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"%s\" must be an array", where,
                       is_pair ? "pair" : "single");
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < json_array_size(parts) && !status; i++) {
        const json_t *part = json_array_get(parts, i);
        const json_t *sequence = json_object_get(part, "Sequence");
        const json_t *special = json_object_get(part, "SpecialToken");
        const json_t *body = sequence ? sequence : special;
        const char *id = json_string_value(json_object_get(body, "id"));
        int64_t type_id = 0;
        status = mm_json_get_integer(&type_id, body, "type_id", 0, 0, INT32_MAX, where, error);
        if (status)
            break;
        if (!id || (sequence && strcmp(id, "A") != 0 && strcmp(id, "B") != 0))
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                           "%s: part %zu is neither a Sequence A or B nor a SpecialToken", where,
                           i);
        if (special)
            status = add_special(template, specials, json_object_get(body, "id"), (int32_t)type_id,
                                 where, error);
        else if (*id == 'B' && !is_pair)
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"single\" has a sequence B",
                           where);
        else
            status =
                add(template, *id == 'A' ? MM_PART_TEXT : MM_PART_PAIR, 0, (int32_t)type_id, error);
    }
    return status;
}

static mm_status read_templates(mm_postprocessor *out, const json_t *config, const char *where,
                                mm_error *error) {
    const json_t *specials = json_object_get(config, "special_tokens");
    mm_status status = read_template(&out->single, json_object_get(config, "single"), specials,
                                     false, where, error);
    if (status)
        return status;
    return read_template(&out->pair, json_object_get(config, "pair"), specials, true, where, error);
}

static const kind kinds[] = {
    {"BertProcessing", read_bert},
    {"RobertaProcessing", read_roberta},
    {"TemplateProcessing", read_templates},
};

static mm_status read_one(void *context, const char *type, const json_t *config, const char *where,
                          mm_error *error) {
    mm_postprocessor *out = context;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].type, type) != 0)
            continue;
        if (out->single.count || out->pair.count)
            return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                           "%s: a Sequence of two post-processors that add tokens is not supported",
                           where);
        return kinds[i].read(out, config, where, error);
    }
    return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                   "%s: the post-processor \"%s\" is not supported", where, type);
}

mm_status mm_postprocessor_read(mm_postprocessor *out, const json_t *config, const char *where,
                                mm_error *error) {
    mm_status status = mm_stages_visit(config, "processors", read_one, out, where, error);
    if (!status && out->single.count == 0 && out->pair.count == 0)
        status = mm_postprocessor_make(out, "A0", "A0B1", 0, 0, error);
    return status;
}

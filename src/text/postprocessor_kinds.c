// SPDX-License-Identifier: Apache-2.0
// The kinds of post-processors, each a change to the templates that are there.
#include "text/postprocessor.h"

#include "base/memory.h"
#include "text/byte_level.h"

#include <string.h>

// ---- BertProcessing, RobertaProcessing, ByteLevel ----------------------------------------------

typedef struct surround { // [CLS] in front of the first sequence, [SEP] behind each
    uint32_t cls, sep;
    int32_t later_type; // of what surrounds later sequences
    bool opens_later;   // a [SEP] also in front of those
    size_t added[2];    // what the reference library counts, with one sequence and with two
} surround;

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

static mm_status read_surround(surround *out, const json_t *config, const char *where,
                               mm_error *error) {
    mm_status status = read_token(&out->sep, config, "sep", where, error);
    return status ? status : read_token(&out->cls, config, "cls", where, error);
}

static mm_status surround_groups(mm_template *template, const surround *by, mm_error *error) {
    mm_template made = {.refused = template->refused};
    mm_status status = MM_STATUS_OK;
    size_t at = 0; // parts are in the order of their groups
    for (size_t group = 0; group < template->groups && !status; group++) {
        int32_t type_id = group ? by->later_type : 0;
        mm_template_part special = {.kind = MM_PART_SPECIAL, .type_id = type_id};
        special.id = group ? by->sep : by->cls;
        made.groups++;
        if (group == 0 || by->opens_later)
            status = mm_template_add(&made, special, error);
        for (; at < template->count && template->parts[at].group == group && !status; at++)
            status = mm_template_add(&made, template->parts[at], error);
        special.id = by->sep;
        if (!status)
            status = mm_template_add(&made, special, error);
    }
    mm_free(template->parts);
    *template = made;
    return status;
}

static mm_status apply_surround(mm_postprocessor *out, const surround *by, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (int pair = 0; pair < 2 && !status; pair++) {
        out->added[pair] += by->added[pair];
        status = surround_groups(&out->templates[pair][true], by, error);
    }
    return status;
}

static mm_status note_trim(mm_postprocessor *out, bool add_prefix_space, const char *where,
                           mm_error *error) {
    if (out->trims_count == MM_TRIMS_MAX)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: more than %d post-processors with trim_offsets are not supported",
                       where, MM_TRIMS_MAX);
    for (int n = 0; n < 4; n++) {
        mm_template *template = &out->templates[n / 2][n % 2];
        for (size_t i = 1; i < template->count; i++)
            if (template->parts[i].group == template->parts[i - 1].group)
                template->parts[i].behind |= UINT32_C(1) << out->trims_count;
    }
    out->trims[out->trims_count++] = add_prefix_space;
    return MM_STATUS_OK;
}

static mm_status read_bert(mm_postprocessor *out, const json_t *config, const char *where,
                           mm_error *error) {
    surround by = {.later_type = 1, .added = {2, 3}};
    mm_status status = read_surround(&by, config, where, error);
    return status ? status : apply_surround(out, &by, error);
}

static mm_status read_trims(mm_postprocessor *out, const json_t *config, const char *where,
                            mm_error *error) {
    bool trims, add_prefix_space;
    mm_status status = mm_json_get_bool(&trims, config, "trim_offsets", true, where, error);
    if (!status)
        status =
            mm_json_get_bool(&add_prefix_space, config, "add_prefix_space", true, where, error);
    return status || !trims ? status : note_trim(out, add_prefix_space, where, error);
}

static mm_status read_byte_level(mm_postprocessor *out, const json_t *config, const char *where,
                                 mm_error *error) {
    bool unused;
    mm_status status = mm_byte_level_read_flag(&unused, config, "trim_offsets", where, error);
    if (!status)
        status = mm_byte_level_read_flag(&unused, config, "add_prefix_space", where, error);
    return status ? status : read_trims(out, config, where, error);
}

static mm_status read_roberta(mm_postprocessor *out, const json_t *config, const char *where,
                              mm_error *error) {
    surround by = {.opens_later = true, .added = {2, 4}};
    mm_status status = read_trims(out, config, where, error);
    if (!status)
        status = read_surround(&by, config, where, error);
    for (int n = 0; n < 4 && !status; n++) {
        mm_template *template = &out->templates[n / 2][n % 2];
        for (size_t i = 0; i < template->count; i++)
            template->parts[i].type_id = 0;
    }
    return status ? status : apply_surround(out, &by, error);
}

// ---- TemplateProcessing ------------------------------------------------------------------------

static mm_status add_special(mm_template *made, const json_t *specials, const json_t *name,
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
        mm_template_part part = {
            .kind = MM_PART_SPECIAL, .id = (uint32_t)json_integer_value(id), .type_id = type_id};
        status = mm_template_add(made, part, error);
    }
    return status;
}

static mm_status add_group(mm_template *made, const mm_template *from, size_t group,
                           int32_t type_id, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < from->count && !status; i++) {
        mm_template_part part = from->parts[i];
        part.type_id = type_id;
        if (part.group == group)
            status = mm_template_add(made, part, error);
    }
    return status;
}

typedef struct template_config {
    const json_t *parts, *specials;
    bool is_pair;
    bool adds_specials;
    const char *where;
} template_config;

static mm_status add_piece(mm_template *made, const mm_template *from, const template_config *own,
                           size_t index, mm_error *error) {
    const json_t *piece = json_array_get(own->parts, index);
    const json_t *sequence = json_object_get(piece, "Sequence");
    const json_t *special = json_object_get(piece, "SpecialToken");
    const json_t *body = sequence ? sequence : special;
    const char *id = json_string_value(json_object_get(body, "id"));
    int64_t type_id = 0;
    mm_status status =
        mm_json_get_integer(&type_id, body, "type_id", 0, 0, INT32_MAX, own->where, error);
    if (status)
        return status;
    if (!id || (sequence && strcmp(id, "A") != 0 && strcmp(id, "B") != 0))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: part %zu is neither a Sequence A or B nor a SpecialToken", own->where,
                       index);
    if (sequence && *id == 'B' && !own->is_pair)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"single\" has a sequence B",
                       own->where);
    if (special && !own->adds_specials)
        return MM_STATUS_OK;
    made->groups++;
    if (special)
        return add_special(made, own->specials, json_object_get(body, "id"), (int32_t)type_id,
                           own->where, error);
    return add_group(made, from, *id == 'B', (int32_t)type_id, error);
}

static mm_status apply_template(mm_template *template, template_config *own, const json_t *config,
                                mm_error *error) {
    own->is_pair = template->groups == 2;
    own->parts = json_object_get(config, own->is_pair ? "pair" : "single");
    mm_template made = {.refused =
                            template->refused || template->groups < 1 || template->groups > 2};
    if (!json_is_array(own->parts))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"%s\" must be an array", own->where,
                       own->is_pair ? "pair" : "single");
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < json_array_size(own->parts) && !made.refused && !status; i++)
        status = add_piece(&made, template, own, i, error);
    mm_free(template->parts);
    *template = made;
    return status;
}

// The special tokens of a template, whatever it is applied to.
static size_t count_specials(const json_t *parts, const json_t *specials) {
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *special = json_object_get(json_array_get(parts, i), "SpecialToken");
        const char *name = json_string_value(json_object_get(special, "id"));
        if (name)
            count += json_array_size(json_object_get(json_object_get(specials, name), "ids"));
    }
    return count;
}

static mm_status read_template(mm_postprocessor *out, const json_t *config, const char *where,
                               mm_error *error) {
    template_config own = {.specials = json_object_get(config, "special_tokens"), .where = where};
    mm_status status = MM_STATUS_OK;
    for (int n = 0; n < 4 && !status; n++) {
        own.adds_specials = n % 2;
        status = apply_template(&out->templates[n / 2][n % 2], &own, config, error);
    }
    for (int pair = 0; pair < 2; pair++)
        out->added[pair] +=
            count_specials(json_object_get(config, pair ? "pair" : "single"), own.specials);
    return status;
}

// ------------------------------------------------------------------------------------------------

static const struct kind {
    const char *type;
    mm_status (*read)(mm_postprocessor *out, const json_t *config, const char *where,
                      mm_error *error);
} kinds[] = {
    {"BertProcessing", read_bert},
    {"RobertaProcessing", read_roberta},
    {"TemplateProcessing", read_template},
    {"ByteLevel", read_byte_level},
};

mm_status mm_postprocessor_apply(void *postprocessor, const char *type, const json_t *config,
                                 const char *where, mm_error *error) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].type, type) == 0)
            return kinds[i].read(postprocessor, config, where, error);
    return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                   "%s: the post-processor \"%s\" is not supported", where, type);
}

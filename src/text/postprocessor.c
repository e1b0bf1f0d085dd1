// SPDX-License-Identifier: Apache-2.0
#include "text/postprocessor.h"

#include "base/memory.h"
#include "text/stages.h"

static mm_template *nth(mm_postprocessor *postprocessor, int n) {
    return &postprocessor->templates[n / 2][n % 2];
}

void mm_postprocessor_free(mm_postprocessor *postprocessor) {
    for (int n = 0; n < 4; n++)
        mm_free(nth(postprocessor, n)->parts);
    *postprocessor = (mm_postprocessor){0};
}

mm_status mm_template_add(mm_template *template, mm_template_part part, mm_error *error) {
    if (template->count == template->capacity) {
        size_t capacity = template->capacity * 2 + 8;
        mm_template_part *parts = mm_array_realloc(template->parts, capacity, sizeof(*parts));
        if (!parts)
            return mm_fail_memory(error, "a post-processor");
        template->parts = parts;
        template->capacity = capacity;
    }
    part.group = template->groups ? template->groups - 1 : 0;
    template->parts[template->count++] = part;
    template->special_count += part.kind == MM_PART_SPECIAL;
    return MM_STATUS_OK;
}

// A template in short; without special tokens c and s are passed over.
static mm_status add_all(mm_template *template, const char *pattern, uint32_t cls, uint32_t sep,
                         bool specials, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (; *pattern && !status; pattern += 2) {
        mm_template_part part = {.kind = *pattern == 'A'   ? MM_PART_TEXT
                                         : *pattern == 'B' ? MM_PART_PAIR
                                                           : MM_PART_SPECIAL,
                                 .id = *pattern == 'c' ? cls : sep,
                                 .type_id = pattern[1] - '0'};
        if (part.kind == MM_PART_SPECIAL && !specials)
            continue;
        template->groups++;
        status = mm_template_add(template, part, error);
    }
    return status;
}

mm_status mm_postprocessor_make(mm_postprocessor *out, const char *single, const char *pair,
                                uint32_t cls, uint32_t sep, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (int n = 0; n < 4 && !status; n++)
        status = add_all(nth(out, n), n / 2 ? pair : single, cls, sep, n % 2, error);
    for (int n = 0; n < 2; n++)
        out->added[n] = out->templates[n][true].special_count;
    return status;
}

mm_status mm_postprocessor_read(mm_postprocessor *out, const json_t *config, const char *where,
                                mm_error *error) {
    mm_status status = mm_postprocessor_make(out, "A0", "A0B1", 0, 0, error);
    if (status)
        return status;
    return mm_stages_visit(config, "processors", mm_postprocessor_apply, out, where, error);
}

// SPDX-License-Identifier: Apache-2.0
// The table of tasks, and what they share.
#include "manager/task_kind.h"

#include "base/memory.h"

#include <string.h>

static const mm_task_kind *const kinds[] = {&mm_task_embedding, &mm_task_text_generation};
enum { KIND_COUNT = sizeof(kinds) / sizeof(kinds[0]) };

const mm_task_kind *mm_task_kind_find(const char *name) {
    for (int i = 0; i < KIND_COUNT; i++) {
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    }
    return NULL;
}

bool mm_task_kinds_write(mm_buffer *out, const mm_task_model *model) {
    bool ok = mm_buffer_putc(out, '['), first = true;
    for (int i = 0; i < KIND_COUNT && ok; i++) {
        if (!model || kinds[i]->check(model, NULL))
            continue;
        ok = mm_buffer_printf(out, "%s\"%s\"", first ? "" : ", ", kinds[i]->name);
        first = false;
    }
    return ok && mm_buffer_putc(out, ']');
}

mm_status mm_task_data_make(mm_task_data *out, const mm_request *request, mm_error *error) {
    bool has_ids = request->list_count > 0;
    size_t count = has_ids ? request->list_count : request->text_count;
    const size_t *ends = has_ids ? request->id_ends : request->text_ends;
    // NULL would do for none, but not for every callee.
    *out = (mm_task_data){.count = count, .has_ids = has_ids};
    out->items = mm_malloc((count + 1) * sizeof(*out->items));
    out->lengths = mm_malloc((count + 1) * sizeof(*out->lengths));
    if (!out->items || !out->lengths) {
        mm_task_data_free(out);
        return mm_fail_memory(error, "the texts of a request");
    }
    for (size_t i = 0, start = 0; i < count; i++) {
        out->items[i] = has_ids ? (const void *)(request->ids + start)
                                : (const void *)(request->text.data + start);
        out->lengths[i] = ends[i] - start;
        start = ends[i];
    }
    return MM_STATUS_OK;
}

void mm_task_data_free(mm_task_data *data) {
    mm_free(data->items);
    mm_free(data->lengths);
    *data = (mm_task_data){0};
}

mm_truncate mm_task_truncate(const mm_request *request) {
    const char *side = mm_request_text(request, MM_PARAM_TRUNCATE, "right");
    return side[0] == 'l'   ? MM_TRUNCATE_ON_LEFT
           : side[0] == 'e' ? MM_TRUNCATE_ERROR
                            : MM_TRUNCATE_ON_RIGHT;
}

// SPDX-License-Identifier: Apache-2.0
#include "text/stages.h"

#include "base/memory.h"

#include <string.h>

enum { MAX_DEPTH = 60 }; // of Sequences in Sequences, as the reference library's JSON reader has it

typedef struct walk {
    const char *members;
    mm_stage_visitor visit;
    void *context;
} walk;

static mm_status step(const walk *self, const json_t *config, int depth, const char *where,
                      mm_error *error) {
    if (!config || json_is_null(config))
        return MM_STATUS_OK;
    const char *type;
    mm_status status = mm_json_get_string(&type, config, "type", NULL, where, error);
    if (status)
        return status;
    if (!type || depth > MAX_DEPTH)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: %s", where,
                       type ? "nested too deeply" : "\"type\" is missing");
    if (strcmp(type, "Sequence") != 0)
        return self->visit(self->context, type, config, where, error);
    const json_t *items = json_object_get(config, self->members);
    if (!json_is_array(items))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"%s\" must be an array", where,
                       self->members);
    for (size_t i = 0; i < json_array_size(items) && !status; i++)
        status = step(self, json_array_get(items, i), depth + 1, where, error);
    return status;
}

mm_status mm_stages_visit(const json_t *config, const char *members, mm_stage_visitor visit,
                          void *context, const char *where, mm_error *error) {
    walk self = {members, visit, context};
    return step(&self, config, 0, where, error);
}

static void release(mm_stage *stage) {
    if (stage->kind->release)
        stage->kind->release(stage->settings);
    else
        mm_free(stage->settings);
}

mm_status mm_stages_append(mm_stage_list *list, mm_stage stage, mm_error *error) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 4;
        mm_stage *items = mm_array_realloc(list->items, capacity, sizeof(*items));
        if (!items) {
            release(&stage);
            return mm_fail_memory(error, stage.kind->type);
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = stage;
    return MM_STATUS_OK;
}

typedef struct reader {
    mm_stage_list *list;
    const mm_stage_family *family;
} reader;

static mm_status read_stage(void *context, const char *type, const json_t *config,
                            const char *where, mm_error *error) {
    const reader *self = context;
    mm_stage stage = {.kind = self->family->find(type)};
    if (!stage.kind)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED, "%s: the %s \"%s\" is not supported",
                       where, self->family->noun, type);
    if (stage.kind->read) {
        mm_status status = stage.kind->read(&stage.settings, config, where, error);
        if (status)
            return status;
    }
    return mm_stages_append(self->list, stage, error);
}

mm_status mm_stages_read(mm_stage_list *list, const mm_stage_family *family, const json_t *config,
                         const char *where, mm_error *error) {
    reader self = {list, family};
    return mm_stages_visit(config, family->members, read_stage, &self, where, error);
}

void mm_stages_free(mm_stage_list *list) {
    for (size_t i = 0; i < list->count; i++)
        release(&list->items[i]);
    mm_free(list->items);
    *list = (mm_stage_list){0};
}

// SPDX-License-Identifier: Apache-2.0
// mm_model_list: the models of the Hub that lie on this machine.
#include "hub/hub_list.h"
#include "manager/json_text.h"
#include "manager/state.h"

#include <string.h>

static bool put_entry(const mm_hub_entry *entry, void *payload) {
    mm_buffer *out = payload;
    bool first = out->data[out->length - 1] == '[';
    return mm_buffer_puts(out, first ? "{\"model_name\": " : ", {\"model_name\": ") &&
           mm_json_put_string_or_null(out, entry->name) &&
           mm_buffer_puts(out, ", \"revision\": ") &&
           mm_json_put_string_or_null(out, entry->commit) && mm_buffer_puts(out, ", \"refs\": ") &&
           mm_json_put_string_or_null(out, entry->refs) &&
           mm_buffer_printf(out, ", \"complete\": %s, \"bytes\": %llu, \"directory\": ",
                            entry->complete ? "true" : "false", (unsigned long long)entry->bytes) &&
           mm_json_put_string_or_null(out, entry->directory) && mm_buffer_putc(out, '}');
}

mm_status mm_model_list(char **out, mm_manager *manager, mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    const mm_hub_places *places = &manager->places;
    bool same = places->hub_cache && strcmp(places->hub_cache, places->models_dir) == 0;
    mm_buffer text;
    mm_buffer_init(&text, PTRDIFF_MAX);
    bool ok = mm_buffer_puts(&text, "{\"models\": [") &&
              mm_hub_list(places->models_dir, put_entry, &text) &&
              (!places->hub_cache || same || mm_hub_list(places->hub_cache, put_entry, &text)) &&
              mm_buffer_puts(&text, "]}");
    *out = ok ? mm_buffer_detach(&text) : NULL;
    mm_buffer_free(&text);
    mm_manager_leave(manager);
    return *out ? MM_STATUS_OK : mm_fail_memory(error, "the list of models");
}

// SPDX-License-Identifier: Apache-2.0
// Results as JSON text.
#include "manager/json_text.h"
#include "manager/result.h"
#include "manager/task_kind.h"

#include "base/json.h"

#include <string.h>

static bool put_id(mm_buffer *out, const char *id, bool is_number) {
    if (!id)
        return true;
    return mm_buffer_puts(out, "\"id\": ") &&
           (is_number ? mm_buffer_puts(out, id) : mm_json_put_string(out, id, strlen(id))) &&
           mm_buffer_puts(out, ", ");
}

static bool put_timing(mm_buffer *out, const mm_timing *timing) {
    const struct {
        const char *name;
        double value;
    } fields[] = {
        {"{\"queue_ms\": ", timing->queue_ms},      {", \"download_ms\": ", timing->download_ms},
        {", \"load_ms\": ", timing->load_ms},       {", \"tokenize_ms\": ", timing->tokenize_ms},
        {", \"compute_ms\": ", timing->compute_ms}, {", \"total_ms\": ", timing->total_ms},
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && ok; i++)
        ok = mm_buffer_puts(out, fields[i].name) && mm_json_put_milliseconds(out, fields[i].value);
    return ok && mm_buffer_putc(out, '}');
}

static bool put_preload(mm_buffer *out, const mm_result *result) {
    return mm_buffer_puts(out, "\"preloaded\": true, \"workers\": ") &&
           mm_json_put_integer(out, result->workers) &&
           mm_buffer_puts(out, ", \"keep_alive_minutes\": ") &&
           (result->keep_alive_minutes < 0
                ? mm_buffer_puts(out, "-1")
                : mm_json_put_float(out, (float)result->keep_alive_minutes));
}

static bool put_common(mm_buffer *out, const mm_result *result) {
    bool ok =
        mm_buffer_puts(out, ", \"model_name\": ") &&
        mm_json_put_string_or_null(out, result->model_name) &&
        mm_buffer_puts(out, ", \"revision\": ") &&
        mm_json_put_string_or_null(out, result->revision) &&
        mm_buffer_puts(out, ", \"device\": ") && mm_json_put_string_or_null(out, result->device) &&
        mm_buffer_puts(out, result->device_fallback ? ", \"device_fallback\": true" : "") &&
        mm_buffer_puts(out, ", \"dtype\": ") && mm_json_put_string_or_null(out, result->dtype) &&
        mm_buffer_puts(out, ", \"worker_id\": ");
    ok = ok && (result->worker_id < 0 ? mm_buffer_puts(out, "null")
                                      : mm_json_put_integer(out, result->worker_id));
    return ok && mm_buffer_puts(out, ", \"fingerprint\": ") &&
           mm_json_put_string_or_null(out, result->fingerprint) &&
           mm_buffer_puts(out, ", \"timing\": ") && put_timing(out, &result->timing);
}

bool mm_result_write(mm_buffer *out, const mm_result *result) {
    return mm_buffer_putc(out, '{') && put_id(out, result->id, result->id_is_number) &&
           mm_buffer_puts(out, "\"success\": true, \"data\": {") &&
           (result->preloaded ? put_preload(out, result) : result->kind->write(out, result)) &&
           put_common(out, result) && mm_buffer_puts(out, "}}");
}

bool mm_failure_write(mm_buffer *out, const mm_error *error, const char *id, bool id_is_number) {
    // Details come from formatted text: what is no object after all is left out.
    json_t *details = NULL;
    if (error->details[0])
        (void)mm_json_parse(&details, error->details, strlen(error->details), "details",
                            MM_STATUS_INTERNAL, NULL);
    bool good = json_is_object(details);
    json_decref(details);
    return mm_buffer_putc(out, '{') && put_id(out, id, id_is_number) &&
           mm_buffer_puts(out, "\"success\": false, \"error\": {\"code\": \"") &&
           mm_buffer_puts(out,
                          mm_status_name(error->status ? error->status : MM_STATUS_INTERNAL)) &&
           mm_buffer_puts(out, "\", \"message\": ") &&
           mm_json_put_string(out, error->message, strlen(error->message)) &&
           mm_buffer_puts(out, ", \"details\": ") &&
           mm_buffer_puts(out, good ? error->details : "{}") && mm_buffer_puts(out, "}}");
}

mm_status mm_result_json(char **out, const mm_result *result, const mm_error *error) {
    static const mm_error unknown = {.status = MM_STATUS_INTERNAL, .message = "no result"};
    mm_buffer text;
    mm_buffer_init(&text, PTRDIFF_MAX);
    bool ok = result ? mm_result_write(&text, result)
                     : mm_failure_write(&text, error ? error : &unknown, NULL, false);
    *out = ok ? mm_buffer_detach(&text) : NULL;
    mm_buffer_free(&text);
    return *out ? MM_STATUS_OK : MM_STATUS_OUT_OF_MEMORY;
}

// SPDX-License-Identifier: Apache-2.0
#include "text/metaspace.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <string.h>

static mm_status read_scheme(mm_prepend_scheme *scheme, const json_t *config, const char *where,
                             mm_error *error) {
    static const char *const names[] = {"always", "first", "never"};
    const char *name;
    bool prefix;
    mm_status status = mm_json_get_string(&name, config, "prepend_scheme", "always", where, error);
    if (!status) // of older files
        status = mm_json_get_bool(&prefix, config, "add_prefix_space", true, where, error);
    if (status)
        return status;
    size_t i = 0;
    while (i < sizeof(names) / sizeof(names[0]) && strcmp(name, names[i]) != 0)
        i++;
    if (i == sizeof(names) / sizeof(names[0]))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: unknown prepend_scheme \"%s\"", where,
                       name);
    *scheme = (mm_prepend_scheme)i;
    if (!prefix && *scheme != MM_PREPEND_NEVER)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: \"add_prefix_space\": false needs \"prepend_scheme\": \"never\"",
                       where);
    return MM_STATUS_OK;
}

mm_status mm_metaspace_read(void **settings, const json_t *config, const char *where,
                            mm_error *error) {
    mm_metaspace read = {0};
    const json_t *value = json_object_get(config, "replacement");
    const char *text = json_string_value(value);
    read.length = json_string_length(value);
    uint32_t code;
    if (!text || read.length == 0 || mm_utf8_decode(&code, text, read.length) != read.length)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"replacement\" must be one character",
                       where);
    memcpy(read.replacement, text, read.length);
    mm_status status = read_scheme(&read.scheme, config, where, error);
    if (!status)
        status = mm_json_get_bool(&read.split, config, "split", true, where, error);
    if (status)
        return status;
    mm_metaspace *made = mm_malloc(sizeof(*made));
    if (!made)
        return mm_fail_memory(error, "Metaspace");
    *made = read;
    *settings = made;
    return MM_STATUS_OK;
}

// SPDX-License-Identifier: Apache-2.0
// Reading JSON through jansson: one way to parse, typed getters that name the field in errors.
//
// Objects come from outside, so every getter checks the type. `where` names the file or message for
// the error text. A `fallback` is returned when the key is absent or null.
#ifndef MM_BASE_JSON_H
#define MM_BASE_JSON_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

// Parses one JSON value of any kind; U+0000 in strings is allowed, duplicate keys and trailing
// bytes are errors, integers beyond int64 become reals, nesting ends at 1000. *out is the caller's
// (json_decref). Memory that runs out is OUT_OF_MEMORY, whatever hooks jansson has been given.
// `status` is the code a failure gets (INVALID_REQUEST for requests, MODEL_CORRUPT for files).
mm_status mm_json_parse(json_t **out, const char *text, size_t length, const char *where,
                        mm_status failure, mm_error *error);
// Reads and parses a file that must hold an object; MODEL_NOT_FOUND when missing, else
// MODEL_CORRUPT.
mm_status mm_json_read_object(json_t **out, const char *path, size_t maximum, mm_error *error);

// Getters: MM_STATUS_OK and *out set, or MODEL_CORRUPT naming where and key.
mm_status mm_json_get_string(const char **out, const json_t *object, const char *key,
                             const char *fallback, const char *where, mm_error *error);
mm_status mm_json_get_bool(bool *out, const json_t *object, const char *key, bool fallback,
                           const char *where, mm_error *error);
mm_status mm_json_get_integer(int64_t *out, const json_t *object, const char *key, int64_t fallback,
                              int64_t minimum, int64_t maximum, const char *where, mm_error *error);
mm_status mm_json_get_number(double *out, const json_t *object, const char *key, double fallback,
                             double minimum, double maximum, const char *where, mm_error *error);

#endif

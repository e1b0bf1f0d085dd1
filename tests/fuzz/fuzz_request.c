// SPDX-License-Identifier: Apache-2.0
// A line of `mm task` as far as a manager that is switched off takes it: parsed, checked, answered
// with DISABLED or what is wrong with it, and the answer is JSON. Behind a leading NUL byte: the
// text of a .env file. One of the allocations, chosen by the input, fails in a second pass.
//
// Covers: src/manager/request_json.c src/manager/parameters.c
#include "base/memory.h"
#include "base/utf8.h"
#include "manager/request.h"
#include "manager/settings.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mm_manager *disabled;

static void require(bool truth) {
    if (!truth)
        abort();
}

static void make_manager(void) {
    mm_settings *settings;
    mm_manager_options options;
    mm_manager_options_init(&options);
    require(!mm_settings_create(&settings, NULL));
    require(!mm_settings_set(settings, "enabled", "false", NULL));
    options.settings = settings;
    require(!mm_manager_create(&disabled, &options, NULL));
    mm_settings_free(settings);
}

static void free_manager(void) {
    mm_manager_free(disabled);
}

// The answer is one line of JSON that says what the status says.
static void answer(const char *text, size_t size, bool memory_fails) {
    char *line;
    mm_status status = mm_task_json(&line, disabled, text, size);
    require(status != MM_STATUS_OK && status != MM_STATUS_INTERNAL);
    if (memory_fails) {
        mm_memory_fail_after(0, false);
        mm_text_free(line);
        return;
    }
    json_t *object;
    require(line && !strchr(line, '\n') && mm_utf8_valid(line, strlen(line), NULL));
    require(!mm_json_parse(&object, line, strlen(line), "answer", MM_STATUS_INTERNAL, NULL));
    const json_t *error = json_object_get(object, "error");
    require(strcmp(json_string_value(json_object_get(error, "code")), mm_status_name(status)) == 0);
    require(json_is_object(json_object_get(error, "details")));
    require(*json_string_value(json_object_get(error, "message")) != '\0');
    json_decref(object);
    mm_text_free(line);
}

// A request that is accepted can be copied, and the copy is as good.
static void parse(const char *text, size_t size) {
    json_t *object;
    mm_request *request, *copy = NULL;
    mm_error error = {0};
    if (mm_request_json_parse(&object, text, size, &error))
        return;
    if (!mm_request_from_json(&request, object, true, &error)) {
        require(!mm_request_check(request, NULL) && !mm_request_copy(&copy, request, NULL));
        require(copy->text_count == request->text_count && !mm_request_check(copy, NULL));
        mm_request_free(copy);
        mm_request_free(request);
    } else {
        require(error.message[0] != '\0');
    }
    json_decref(object);
}

static void dotenv(const char *text, size_t size) {
    json_t *object;
    mm_error error = {0};
    mm_status status = mm_dotenv_parse(&object, text, size, ".env", &error);
    require((status == MM_STATUS_OK) == (object != NULL));
    require(!status || (error.message[0] && status != MM_STATUS_INTERNAL));
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    if (!disabled) {
        json_set_alloc_funcs(mm_malloc, mm_free);
        make_manager();
        (void)atexit(free_manager);
    }
    if (size > 0 && text[0] == '\0') {
        dotenv(text + 1, size - 1);
        return 0;
    }
    mm_memory_fail_after(0, false);
    answer(text, size, false);
    size_t allocations = mm_memory_allocations();
    parse(text, size);
    if (size > 0 && allocations > 0) {
        mm_memory_fail_after(1 + (size * 31 + data[size / 2]) % allocations, false);
        answer(text, size, true);
        mm_memory_fail_after(0, false);
    }
    return 0;
}

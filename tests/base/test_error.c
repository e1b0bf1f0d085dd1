// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/log.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

static void test_names_and_http(void **state) {
    (void)state;
    static const struct {
        mm_status status;
        const char *name;
        int http;
    } expected[] = {
        {MM_STATUS_OK, "OK", 200},
        {MM_STATUS_INVALID_REQUEST, "INVALID_REQUEST", 400},
        {MM_STATUS_INVALID_TASK_TYPE, "INVALID_TASK_TYPE", 400},
        {MM_STATUS_INVALID_PARAMETER, "INVALID_PARAMETER", 400},
        {MM_STATUS_INVALID_DEVICE, "INVALID_DEVICE", 400},
        {MM_STATUS_INPUT_TOO_LONG, "INPUT_TOO_LONG", 413},
        {MM_STATUS_MODEL_NOT_FOUND, "MODEL_NOT_FOUND", 404},
        {MM_STATUS_MODEL_ACCESS_DENIED, "MODEL_ACCESS_DENIED", 403},
        {MM_STATUS_MODEL_UNSUPPORTED, "MODEL_UNSUPPORTED", 422},
        {MM_STATUS_MODEL_CORRUPT, "MODEL_CORRUPT", 422},
        {MM_STATUS_DOWNLOAD_FAILED, "DOWNLOAD_FAILED", 502},
        {MM_STATUS_OFFLINE, "OFFLINE", 503},
        {MM_STATUS_DISK_FULL, "DISK_FULL", 507},
        {MM_STATUS_NO_GPU_AVAILABLE, "NO_GPU_AVAILABLE", 503},
        {MM_STATUS_OUT_OF_MEMORY, "OUT_OF_MEMORY", 507},
        {MM_STATUS_QUEUE_FULL, "QUEUE_FULL", 429},
        {MM_STATUS_QUEUE_TIMEOUT, "QUEUE_TIMEOUT", 503},
        {MM_STATUS_TIMEOUT, "TIMEOUT", 504},
        {MM_STATUS_CANCELLED, "CANCELLED", 499},
        {MM_STATUS_RELEASED, "RELEASED", 503},
        {MM_STATUS_SHUTTING_DOWN, "SHUTTING_DOWN", 503},
        {MM_STATUS_DISABLED, "DISABLED", 503},
        {MM_STATUS_INTERNAL, "INTERNAL", 500},
    };
    enum { COUNT = sizeof(expected) / sizeof(expected[0]) };
    assert_int_equal(COUNT, MM_STATUS_INTERNAL + 1); // the table above is whole
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(expected[i].status, i);
        assert_string_equal(mm_status_name(expected[i].status), expected[i].name);
        assert_int_equal(mm_status_http(expected[i].status), expected[i].http);
    }
    assert_string_equal(mm_status_name((mm_status)9999), "INTERNAL");
    assert_int_equal(mm_status_http((mm_status)9999), 500);
}

static void test_fail(void **state) {
    (void)state;
    mm_error error = {.details = "old"};
    assert_int_equal(mm_fail(&error, MM_STATUS_TIMEOUT, "after %d ms", 7), MM_STATUS_TIMEOUT);
    assert_int_equal(error.status, MM_STATUS_TIMEOUT);
    assert_string_equal(error.message, "after 7 ms");
    assert_string_equal(error.details, "");
    // The message itself may be an argument.
    mm_fail(&error, MM_STATUS_INTERNAL, "<%s>", error.message);
    assert_string_equal(error.message, "<after 7 ms>");
    assert_int_equal(mm_fail(NULL, MM_STATUS_TIMEOUT, "unheard"), MM_STATUS_TIMEOUT);
    assert_int_equal(mm_fail_memory(&error, "a shoe"), MM_STATUS_OUT_OF_MEMORY);
    assert_contains(error.message, "a shoe");
}

// Every length around the end of the buffer, with characters of one to four bytes.
static void test_message_is_cut_at_a_character(void **state) {
    (void)state;
    static const char *const characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t c = 0; c < 4; c++) {
        size_t width = strlen(characters[c]);
        for (size_t lead = 0; lead < 8; lead++) {
            char text[700];
            memset(text, 'x', lead);
            size_t length = lead;
            while (length + width < sizeof(text)) {
                memcpy(text + length, characters[c], width);
                length += width;
            }
            text[length] = '\0';
            mm_error error;
            mm_fail(&error, MM_STATUS_INTERNAL, "%s", text);
            size_t room = sizeof(error.message) - 1;
            size_t expected = lead + (room - lead) / width * width;
            assert_int_equal(strlen(error.message), expected);
            assert_memory_equal(error.message, text, expected);
            mm_error_prefix(&error, "%s", "in a file");
            assert_true(mm_utf8_valid(error.message, strlen(error.message), NULL));
            assert_true(strlen(error.message) > room - width);
            assert_memory_equal(error.message, "in a file: ", 11);
        }
    }
}

static void test_messages_are_utf8(void **state) {
    (void)state;
    mm_error error;
    mm_fail(&error, MM_STATUS_MODEL_CORRUPT, "%s: bad", "dir\xFF/\xC3(\xE2\x82");
    assert_string_equal(error.message, "dir?/?(??: bad");
    mm_error_details(&error, "{\"file\": \"%s\"}", "\x80");
    assert_string_equal(error.details, "{\"file\": \"?\"}");
}

static void test_prefix(void **state) {
    (void)state;
    mm_error error;
    mm_fail(&error, MM_STATUS_MODEL_CORRUPT, "broken");
    mm_error_details(&error, "{\"line\": %d}", 3);
    mm_error_prefix(&error, "%s/%d", "file", 2);
    assert_string_equal(error.message, "file/2: broken");
    assert_int_equal(error.status, MM_STATUS_MODEL_CORRUPT);
    assert_string_equal(error.details, "{\"line\": 3}");
    char huge[1000];
    memset(huge, 'p', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    mm_error_prefix(&error, "%s", huge); // fills the whole message
    assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
    mm_error_prefix(NULL, "nobody");
    mm_error_details(NULL, "nobody");
}

static void test_details_only_whole(void **state) {
    (void)state;
    mm_error error;
    mm_fail(&error, MM_STATUS_INTERNAL, "x");
    char text[300];
    memset(text, 'd', sizeof(text) - 1);
    text[sizeof(error.details) - 1] = '\0';
    mm_error_details(&error, "%s", text);
    assert_int_equal(strlen(error.details), sizeof(error.details) - 1);
    text[sizeof(error.details) - 1] = 'd';
    text[sizeof(error.details)] = '\0';
    mm_error_details(&error, "%s", text);
    assert_string_equal(error.details, "");
}

static void keep_line(mm_log_level level, const char *message, void *payload) {
    snprintf(payload, 64, "%d %s", (int)level, message);
}

static void test_log(void **state) {
    (void)state;
    char line[64] = "none";
    mm_log log = {keep_line, line, MM_LOG_WARNING};
    mm_log_write(&log, MM_LOG_INFO, "quiet");
    assert_string_equal(line, "none");
    mm_log_write(&log, MM_LOG_WARNING, "loud %d", 5);
    assert_string_equal(line, "1 loud 5");
    mm_log_write(NULL, MM_LOG_ERROR, "to nobody");
    log.callback = NULL;
    mm_log_write(&log, MM_LOG_ERROR, "to nobody");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_http),
        cmocka_unit_test(test_fail),
        cmocka_unit_test(test_message_is_cut_at_a_character),
        cmocka_unit_test(test_messages_are_utf8),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_details_only_whole),
        cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

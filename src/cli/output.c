// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include "base/file.h"
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Why stdout stopped taking bytes; 0 while it does. Kept because later calls overwrite errno.
static int write_error;

void mm_output_init(void) {
    // Opened the wrong way round, so that using a closed descriptor still fails.
    for (int file = 0; file <= 2; file++) {
        if (fcntl(file, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", file == 0 ? O_WRONLY : O_RDONLY);
    }
    (void)signal(SIGPIPE, SIG_IGN);
}

static bool note(bool written) {
    if (!written && !write_error)
        write_error = errno ? errno : EIO;
    return !write_error;
}

bool mm_output_write(const void *bytes, size_t length) {
    return !write_error && note(fwrite(bytes, 1, length, stdout) == length);
}

bool mm_output_line(const char *text) {
    return mm_output_write(text, strlen(text)) && mm_output_write("\n", 1);
}

bool mm_output_printf(const char *format, ...) {
    if (write_error)
        return false;
    va_list arguments;
    va_start(arguments, format);
    int written = vfprintf(stdout, format, arguments);
    va_end(arguments);
    return note(written >= 0);
}

bool mm_output_flush(void) {
    return !write_error && note(fflush(stdout) == 0);
}

int mm_output_finish(int status) {
    (void)mm_output_flush();
    if (write_error == EPIPE)
        return 128 + SIGPIPE;
    if (write_error) {
        mm_complain("cannot write to standard output: %s", strerror(write_error));
        return MM_EXIT_FAILED;
    }
    return status;
}

static int append_text(const char *bytes, size_t length, void *payload) {
    return mm_buffer_append(payload, bytes, length) ? 0 : -1;
}

bool mm_output_json(mm_buffer *text, const json_t *value, size_t flags) {
    return value && json_dump_callback(value, append_text, text, flags) == 0;
}

bool mm_output_npy(FILE *file, const float *values, size_t rows, size_t columns) {
    enum { PREAMBLE = 10, ALIGNMENT = 64 };
    char header[2 * ALIGNMENT];
    int length =
        snprintf(header + PREAMBLE, sizeof(header) - PREAMBLE,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", rows, columns);
    size_t used = PREAMBLE + (size_t)length;
    size_t total = (used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(header + used, ' ', total - used);
    header[total - 1] = '\n';
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)(total - PREAMBLE); // little-endian; never above 127
    header[9] = 0;
    size_t count = rows * columns;
    return fwrite(header, 1, total, file) == total &&
           fwrite(values, sizeof(float), count, file) == count;
}

void mm_complain(const char *format, ...) {
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    mm_output_log(MM_LOG_ERROR, message, NULL);
}

void mm_output_log(mm_log_level level, const char *message, void *payload) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    (void)payload;
    size_t index = (size_t)level;
    const char *name = index < sizeof(names) / sizeof(names[0]) ? names[index] : "log";
    (void)fprintf(stderr, "mm: %s: %s\n", name, message);
}

int mm_output_failure(const mm_error *error, bool json) {
    char *text = NULL;
    if (!json)
        mm_complain("%s", error->message);
    else if (mm_result_json(&text, NULL, error) == MM_STATUS_OK)
        mm_output_line(text);
    else
        mm_complain("out of memory");
    mm_text_free(text);
    return MM_EXIT_FAILED;
}

void mm_output_hint(const mm_error *error, const char *model) {
    if (error->status == MM_STATUS_OK || model[0] == '/' || strncmp(model, "./", 2) == 0 ||
        strncmp(model, "../", 3) == 0 || !mm_directory_exists(model))
        return;
    (void)fprintf(stderr, "mm: hint: to use the directory of that name, write ./%s\n", model);
}

// SPDX-License-Identifier: Apache-2.0
// The files are those of `hf auth login`: the token alone in one, and an INI file with a section
// [NAME] hf_token = TOKEN for each token the user ever gave.
#include "hub/hub_login.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_STORED = 1 << 20, MAX_SECTIONS = 4096 };

void mm_hub_account_free(mm_hub_account *account) {
    mm_free(account->user);
    mm_free(account->token_name);
    mm_free(account->path);
    *account = (mm_hub_account){0};
}

// ---- Writing -----------------------------------------------------------------------------------

static mm_status fail_write(mm_error *error, const char *path, int reason) {
    return mm_fail(error, MM_STATUS_MODEL_ACCESS_DENIED,
                   "%.300s: the token cannot be written there: %s (HF_TOKEN_PATH and HF_HOME say "
                   "where)",
                   path, strerror(reason));
}

static void make_folders(char *path) {
    for (char *slash = path; (slash = strchr(slash + 1, '/')) != NULL;) {
        *slash = '\0';
        (void)mkdir(path, 0700); // opening the file tells of a failure
        *slash = '/';
    }
}

// Through a new file, so that whoever reads finds the old or the new.
static mm_status write_secret(char *path, const char *text, size_t length, mm_error *error) {
    mm_buffer name;
    mm_buffer_init(&name, 16384);
    make_folders(path);
    if (!mm_buffer_printf(&name, "%s.%08x.tmp", path, (unsigned)gettid()))
        return mm_fail_memory(error, "a path");
    (void)unlink(name.data);
    int file = open(name.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int reason = file < 0 ? errno : 0;
    if (!reason && write(file, text, length) != (ssize_t)length)
        reason = errno ? errno : ENOSPC;
    if (!reason && (fsync(file) != 0 || rename(name.data, path) != 0))
        reason = errno;
    if (file >= 0)
        (void)close(file);
    if (reason)
        (void)unlink(name.data);
    mm_buffer_free(&name);
    return reason ? fail_write(error, path, reason) : MM_STATUS_OK;
}

// ---- The stored tokens -------------------------------------------------------------------------

// A section of the file as it stands there, its head line first.
typedef struct section {
    const char *text;
    size_t length;
} section;

static int compare_sections(const void *left, const void *right) {
    const section *a = left, *b = right;
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->text, b->text, shorter);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

// Whether the section is [name].
static bool is_section(const section *self, const char *name) {
    size_t length = strlen(name);
    return self->length >= length + 2 && strncmp(self->text + 1, name, length) == 0 &&
           self->text[1 + length] == ']';
}

// Sections are what begins with a line "[...]"; what stands before the first is dropped.
static size_t split(section out[MAX_SECTIONS], const char *text, const char *name) {
    size_t count = 0;
    for (const char *line = text; line && *line && count < MAX_SECTIONS - 1;) {
        const char *next = strstr(line, "\n[");
        size_t length = next ? (size_t)(next + 1 - line) : strlen(line);
        out[count] = (section){line, length};
        if (line[0] == '[' && !is_section(&out[count], name))
            count++;
        line = next ? next + 1 : NULL;
    }
    return count;
}

static mm_status store(char *path, const char *name, const char *token, mm_error *error) {
    char *text = NULL;
    size_t length;
    mm_buffer own, all;
    mm_buffer_init(&own, MAX_STORED);
    mm_buffer_init(&all, 2 * MAX_STORED);
    section *sections = mm_array_realloc(NULL, MAX_SECTIONS, sizeof(*sections));
    mm_status status = MM_STATUS_OK;
    if (!sections || !mm_buffer_printf(&own, "[%s]\nhf_token = %s\n\n", name, token))
        status = mm_fail_memory(error, "the stored tokens");
    else if (mm_file_exists(path))
        status = mm_file_read(&text, &length, path, MAX_STORED, error);
    if (!status) {
        size_t count = split(sections, text, name);
        sections[count++] = (section){own.data, own.length};
        qsort(sections, count, sizeof(*sections), compare_sections);
        bool ok = true;
        for (size_t i = 0; i < count && ok; i++) {
            size_t kept = sections[i].length;
            while (kept > 0 && strchr("\r\n ", sections[i].text[kept - 1]))
                kept--;
            ok = mm_buffer_append(&all, sections[i].text, kept) && mm_buffer_puts(&all, "\n\n");
        }
        status = ok ? write_secret(path, all.data, all.length, error)
                    : mm_fail_memory(error, "the stored tokens");
    }
    mm_free(text);
    mm_free(sections);
    mm_buffer_free(&own);
    mm_buffer_free(&all);
    return status;
}

// "stored_tokens" beside the token's file; the caller frees.
static char *stored_path(const char *token_path) {
    const char *slash = strrchr(token_path, '/');
    char *folder = slash ? mm_strndup(token_path, (size_t)(slash - token_path)) : mm_strdup(".");
    char *path = folder ? mm_path_join(folder, "stored_tokens") : NULL;
    mm_free(folder);
    return path;
}

// ---- Logging in --------------------------------------------------------------------------------

// What the server calls it, fit for the head of a section.
static char *section_name(const char *text) {
    char *name = mm_strdup(text && *text ? text : "mm");
    for (char *at = name; at && *at; at++) {
        if ((unsigned char)*at < ' ' || *at == '[' || *at == ']' || *at == 0x7F)
            *at = '-';
    }
    return name;
}

static mm_status describe(mm_hub_account *out, const mm_hub_access *access, const json_t *answer,
                          mm_error *error) {
    const json_t *token = json_object_get(json_object_get(answer, "auth"), "accessToken");
    const char *user = json_string_value(json_object_get(answer, "name"));
    if (!user)
        return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                       "%.200s: does not answer like a Hub (no user); is HF_ENDPOINT right?",
                       access->endpoint);
    out->user = mm_strdup(user);
    out->token_name = section_name(json_string_value(json_object_get(token, "displayName")));
    out->path = mm_strdup(access->token_path);
    return out->user && out->token_name && out->path ? MM_STATUS_OK
                                                     : mm_fail_memory(error, "an account");
}

static mm_status save(const mm_hub_account *account, const char *token, mm_error *error) {
    char *stored = stored_path(account->path);
    if (!stored)
        return mm_fail_memory(error, "a path");
    mm_status status = store(stored, account->token_name, token, error);
    if (!status)
        status = write_secret(account->path, token, strlen(token), error);
    mm_free(stored);
    return status;
}

mm_status mm_hub_login(mm_hub_account *out, const mm_hub_access *access, const char *token,
                       const mm_hub_watch *watch, mm_error *error) {
    *out = (mm_hub_account){0};
    mm_hub_client client = {0};
    json_t *answer = NULL;
    mm_status status = MM_STATUS_OK;
    if (!access->token_path)
        status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                         "no place for the token: neither HF_TOKEN_PATH, HF_HOME nor HOME is set");
    else if (access->offline)
        status =
            mm_fail(error, MM_STATUS_OFFLINE,
                    "a token cannot be checked: the setting offline, or HF_HUB_OFFLINE, is on");
    if (!status)
        status = mm_hub_client_open(&client, access, token, watch, error);
    if (!status && !client.token)
        status = mm_fail(error, MM_STATUS_INVALID_PARAMETER, "the token is empty");
    if (!status)
        status = mm_hub_client_account(&answer, &client, error);
    if (!status)
        status = describe(out, access, answer, error);
    if (!status)
        status = save(out, client.token, error);
    if (status)
        mm_hub_account_free(out);
    json_decref(answer);
    mm_hub_client_close(&client);
    return status;
}

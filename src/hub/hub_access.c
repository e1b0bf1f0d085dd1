// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_access.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TOKEN = 4096, DEFAULT_SECONDS = 10, MAX_SECONDS = 3600 };

static const char blanks[] = " \t\r\n";

// A copy without blanks around it; NULL when nothing is left. False when memory is out.
static bool copy_stripped(char **out, const char *text) {
    *out = NULL;
    if (!text)
        return true;
    text += strspn(text, blanks);
    size_t length = strlen(text);
    while (length > 0 && strchr(blanks, text[length - 1]))
        length--;
    if (length == 0)
        return true;
    *out = mm_strndup(text, length);
    return *out != NULL;
}

static mm_status read_endpoint(char **out, const char *value, mm_error *error) {
    if (!copy_stripped(out, value && *value ? value : "https://huggingface.co") || !*out)
        return mm_fail_memory(error, "the Hub's address");
    size_t length = strlen(*out);
    while (length > 0 && (*out)[length - 1] == '/')
        (*out)[--length] = '\0';
    bool http = strncmp(*out, "https://", 8) == 0 || strncmp(*out, "http://", 7) == 0;
    if (http && !strpbrk(*out, " \t\r\n?#@"))
        return MM_STATUS_OK;
    return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                   "HF_ENDPOINT is no address such as https://huggingface.co");
}

static long read_seconds(const char *value) {
    char *end = NULL;
    long seconds = value ? strtol(value, &end, 10) : 0;
    return value && end != value && seconds > 0 && seconds <= MAX_SECONDS ? seconds
                                                                          : DEFAULT_SECONDS;
}

// HF_TOKEN_PATH, else "token" in the folder of HF_HOME.
static mm_status find_token_file(char **out, mm_variable_function variable, const void *payload,
                                 mm_error *error) {
    static const mm_hub_way ways[] = {{"HF_TOKEN_PATH", ""},
                                      {"HF_HOME", "/token"},
                                      {"XDG_CACHE_HOME", "/huggingface/token"},
                                      {"HOME", "/.cache/huggingface/token"}};
    return mm_hub_first_path(out, ways, sizeof(ways) / sizeof(ways[0]), variable, payload, error);
}

static mm_status find_certificates(mm_hub_access *out, mm_variable_function variable,
                                   const void *payload, mm_error *error) {
    static const mm_hub_way files[] = {
        {"SSL_CERT_FILE", ""}, {"REQUESTS_CA_BUNDLE", ""}, {"CURL_CA_BUNDLE", ""}};
    static const mm_hub_way folders[] = {{"SSL_CERT_DIR", ""}};
    mm_status status = mm_hub_first_path(&out->ca_file, files, sizeof(files) / sizeof(files[0]),
                                         variable, payload, error);
    return status ? status
                  : mm_hub_first_path(&out->ca_folder, folders, 1, variable, payload, error);
}

mm_status mm_hub_access_read(mm_hub_access *out, mm_variable_function variable, const void *payload,
                             mm_error *error) {
    *out = (mm_hub_access){
        .offline = mm_hub_variable_true(variable(payload, "HF_HUB_OFFLINE")) ||
                   mm_hub_variable_true(variable(payload, "TRANSFORMERS_OFFLINE")),
        .no_implicit_token =
            mm_hub_variable_true(variable(payload, "HF_HUB_DISABLE_IMPLICIT_TOKEN")),
        .no_links = mm_hub_variable_true(variable(payload, "HF_HUB_DISABLE_SYMLINKS")),
        .connect_seconds = read_seconds(variable(payload, "HF_HUB_ETAG_TIMEOUT")),
        .idle_seconds = read_seconds(variable(payload, "HF_HUB_DOWNLOAD_TIMEOUT")),
    };
    mm_status status = read_endpoint(&out->endpoint, variable(payload, "HF_ENDPOINT"), error);
    if (!status)
        status = find_certificates(out, variable, payload, error);
    if (!status)
        status = find_token_file(&out->token_path, variable, payload, error);
    if (!status && !out->no_implicit_token) {
        bool ok =
            copy_stripped(&out->token, variable(payload, "HF_TOKEN")) &&
            (out->token || copy_stripped(&out->token, variable(payload, "HUGGING_FACE_HUB_TOKEN")));
        status = ok ? MM_STATUS_OK : mm_fail_memory(error, "the Hub's token");
    }
    if (status)
        mm_hub_access_free(out);
    return status;
}

void mm_hub_access_free(mm_hub_access *access) {
    mm_free(access->endpoint);
    mm_free(access->token);
    mm_free(access->token_path);
    mm_free(access->ca_file);
    mm_free(access->ca_folder);
    *access = (mm_hub_access){0};
}

mm_status mm_hub_access_token(char **out, const mm_hub_access *access, const char *given,
                              mm_error *error) {
    *out = NULL;
    bool ok = copy_stripped(out, given ? given : access->token);
    if (ok && !*out && !given && access->token_path && !access->no_implicit_token &&
        mm_file_exists(access->token_path)) {
        char *text;
        size_t length;
        mm_status status = mm_file_read(&text, &length, access->token_path, MAX_TOKEN, error);
        if (status == MM_STATUS_OUT_OF_MEMORY)
            return status;
        if (!status) { // a file that cannot be read counts as none, as in the Python library
            ok = copy_stripped(out, text);
            mm_free(text);
        }
    }
    if (!ok)
        return mm_fail_memory(error, "the Hub's token");
    for (const char *at = *out; at && *at; at++) {
        if (*at > ' ' && *at < 0x7F)
            continue;
        mm_free(*out);
        *out = NULL;
        return mm_fail(
            error, MM_STATUS_INVALID_PARAMETER,
            "the Hub's token (HF_TOKEN, or its file) holds characters that no token has");
    }
    return MM_STATUS_OK;
}

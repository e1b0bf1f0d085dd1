// SPDX-License-Identifier: Apache-2.0
// Rules of huggingface_hub utils/_validators.py.
#include "hub/hub_name.h"

#include <string.h>

enum { MAX_NAME = 96, MAX_REVISION = 255 };

static bool is_name_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool part_valid(const char *part, size_t length) {
    if (length == 0 || length > MAX_NAME)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_name_character(part[i]))
            return false;
    }
    char first = part[0], last = part[length - 1];
    return first != '-' && first != '.' && last != '-' && last != '.';
}

static bool repository_valid(const char *name) {
    const char *slash = strchr(name, '/');
    const char *last = slash ? slash + 1 : name;
    size_t length = strlen(last);
    bool git = length >= 4 && strcmp(last + length - 4, ".git") == 0;
    return !git && !strstr(name, "--") && !strstr(name, "..") && part_valid(last, length) &&
           (!slash || part_valid(name, (size_t)(slash - name)));
}

mm_status mm_hub_name_kind(mm_name_kind *out, const char *name, mm_error *error) {
    bool directory = name[0] == '/' || starts_with(name, "./") || starts_with(name, "../") ||
                     strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    if (directory) {
        *out = MM_NAME_DIRECTORY;
        return MM_STATUS_OK;
    }
    if (!repository_valid(name)) {
        mm_status status = mm_fail(
            error, MM_STATUS_INVALID_PARAMETER,
            "model_name \"%.200s\" is neither a Hub name (org/name or name) nor a directory, which "
            "starts with /, ./ or ../",
            name);
        mm_error_details(error, "{\"parameter\": \"model_name\"}");
        return status;
    }
    *out = strchr(name, '/') ? MM_NAME_REPOSITORY : MM_NAME_BARE;
    return MM_STATUS_OK;
}

mm_status mm_hub_revision_check(const char *revision, mm_error *error) {
    size_t length = strlen(revision);
    bool good = length > 0 && length <= MAX_REVISION && revision[0] != '/' && revision[0] != '.' &&
                !strstr(revision, "..") && !strstr(revision, "//") && revision[length - 1] != '/';
    for (size_t i = 0; i < length && good; i++)
        good = revision[i] > ' ' && revision[i] != '\\' && revision[i] != 0x7F;
    if (good)
        return MM_STATUS_OK;
    mm_status status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                               "revision \"%.100s\" is no branch, tag or commit", revision);
    mm_error_details(error, "{\"parameter\": \"revision\"}");
    return status;
}

bool mm_hub_is_commit(const char *text) {
    return strspn(text, "0123456789abcdef") == 40 && text[40] == '\0';
}

const char *mm_hub_name_bare(const char *repository) {
    static const char prefix[] = "sentence-transformers/";
    const size_t length = sizeof(prefix) - 1;
    return strncmp(repository, prefix, length) == 0 ? repository + length : NULL;
}

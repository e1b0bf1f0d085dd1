// SPDX-License-Identifier: Apache-2.0
// Fingerprints of models that were loaded once, so that what the embedding cache has of them is
// found without loading them again. One counts while names, sizes and times of the model's files
// are what they were.
#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "manager/state.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST = 256, DEPTH = 2 };

struct mm_fingerprint {
    mm_fingerprint *next;
    char *name, *commit; // canonical; commit NULL for a directory
    bool is_gpu;
    mm_compute_dtype dtype;
    mm_stamp stamp;
    char text[MM_FINGERPRINT_DIGITS + 1];
};

// ---- Stamps ------------------------------------------------------------------------------------

// Files come in any order: what each adds is added by exclusive or.
static bool stamp_file(mm_cache_key *stamp, mm_digest *sha, const char *path,
                       const struct stat *info) {
    char line[128];
    uint8_t sum[MM_DIGEST_BYTES];
    int used = snprintf(line, sizeof(line), "%lld %lld %ld", (long long)info->st_size,
                        (long long)info->st_mtim.tv_sec, info->st_mtim.tv_nsec);
    bool ok = used > 0 && mm_digest_begin(sha, MM_DIGEST_SHA256, NULL) == MM_STATUS_OK &&
              mm_digest_add(sha, path, strlen(path) + 1) &&
              mm_digest_add(sha, line, (size_t)used) && mm_digest_end(sha, sum) == sizeof(sum);
    for (size_t i = 0; i < sizeof(stamp->digest) && ok; i++)
        stamp->digest[i] ^= sum[i];
    return ok;
}

static bool stamp_directory(mm_cache_key *stamp, mm_digest *sha, const char *directory, int depth) {
    DIR *open = opendir(directory);
    if (!open)
        return false;
    bool ok = true;
    for (const struct dirent *file; ok && (file = readdir(open)) != NULL;) {
        if (file->d_name[0] == '.')
            continue;
        struct stat info;
        char *path = mm_path_join(directory, file->d_name);
        ok = path && stat(path, &info) == 0;
        if (ok && S_ISREG(info.st_mode))
            ok = stamp_file(stamp, sha, path, &info);
        else if (ok && S_ISDIR(info.st_mode) && depth > 1)
            ok = stamp_directory(stamp, sha, path, depth - 1);
        mm_free(path);
    }
    (void)closedir(open);
    return ok;
}

bool mm_directory_stamp(mm_stamp *out, const char *directory) {
    mm_digest sha = {0};
    struct stat info;
    *out = (mm_stamp){0};
    bool ok = stat(directory, &info) == 0 && stamp_directory(&out->files, &sha, directory, DEPTH);
    if (ok) {
        out->device = info.st_dev;
        out->inode = info.st_ino;
    }
    mm_digest_free(&sha);
    return ok;
}

// ---- The list ----------------------------------------------------------------------------------

static bool is_of(const mm_fingerprint *item, const mm_hub_model *model, const mm_target *target) {
    bool same_commit = item->commit && model->commit ? strcmp(item->commit, model->commit) == 0
                                                     : item->commit == model->commit;
    return same_commit && item->dtype == target->dtype && item->is_gpu == target->device->is_gpu &&
           strcmp(item->name, model->name) == 0;
}

static void free_item(mm_fingerprint *item) {
    mm_free(item->name);
    mm_free(item->commit);
    mm_free(item);
}

// Forgets the one that is replaced, and those beyond the most.
static void forget_locked(mm_manager *manager, const mm_hub_model *model, const mm_target *target) {
    size_t kept = 0;
    for (mm_fingerprint **at = &manager->fingerprints; *at;) {
        mm_fingerprint *item = *at;
        if (is_of(item, model, target) || kept + 1 >= MOST) {
            *at = item->next;
            free_item(item);
        } else {
            kept++;
            at = &item->next;
        }
    }
}

void mm_fingerprint_note_locked(mm_manager *manager, const mm_hub_model *model,
                                const mm_target *target, const mm_stamp *stamp,
                                const char *fingerprint) {
    forget_locked(manager, model, target);
    mm_fingerprint *item = mm_calloc(1, sizeof(*item));
    if (!item)
        return; // it is only a convenience
    item->name = mm_strdup(model->name);
    item->commit = model->commit ? mm_strdup(model->commit) : NULL;
    if (!item->name || (model->commit && !item->commit)) {
        free_item(item);
        return;
    }
    item->is_gpu = target->device->is_gpu;
    item->dtype = target->dtype;
    item->stamp = *stamp;
    (void)snprintf(item->text, sizeof(item->text), "%s", fingerprint);
    item->next = manager->fingerprints;
    manager->fingerprints = item;
}

static const mm_fingerprint *find_locked(const mm_manager *manager, const mm_hub_model *model,
                                         const mm_target *target) {
    const mm_fingerprint *item = manager->fingerprints;
    while (item && !is_of(item, model, target))
        item = item->next;
    return item;
}

bool mm_fingerprint_recall(char out[MM_FINGERPRINT_DIGITS + 1], mm_manager *manager,
                           const mm_hub_model *model, const mm_target *target) {
    mm_stamp stamp = {0}, now;
    mm_mutex_lock(&manager->lock);
    const mm_fingerprint *item = find_locked(manager, model, target);
    if (item) {
        stamp = item->stamp;
        memcpy(out, item->text, sizeof(item->text));
    }
    mm_mutex_unlock(&manager->lock);
    return item && mm_directory_stamp(&now, model->directory) &&
           memcmp(now.files.digest, stamp.files.digest, sizeof(now.files.digest)) == 0;
}

bool mm_fingerprint_is_from_locked(const mm_manager *manager, const mm_hub_model *model,
                                   const mm_target *target, const struct stat *directory) {
    const mm_fingerprint *item = find_locked(manager, model, target);
    return item && item->stamp.device == directory->st_dev &&
           item->stamp.inode == directory->st_ino;
}

void mm_fingerprints_free(mm_manager *manager) {
    while (manager->fingerprints) {
        mm_fingerprint *next = manager->fingerprints->next;
        free_item(manager->fingerprints);
        manager->fingerprints = next;
    }
}

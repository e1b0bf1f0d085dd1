// SPDX-License-Identifier: Apache-2.0
// Where things lie in a cache of huggingface_hub's form, and writing them so that a reader, or a
// process that dies, never sees a half.
//
//     CACHE/CACHEDIR.TAG
//     CACHE/.locks/models--org--name/ETAG.lock
//     CACHE/models--org--name/refs/main             the commit
//                             blobs/ETAG            content; ETAG.incomplete while it arrives
//                             snapshots/COMMIT/...  relative links to blobs
//                             .no_exist/COMMIT/...  empty files: known not to be there
#ifndef MM_HUB_HUB_LAYOUT_H
#define MM_HUB_HUB_LAYOUT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

// The paths of one repository in one cache. The strings are its own.
typedef struct mm_hub_layout {
    char *cache;
    char *folder; // CACHE/models--org--name
    char *blobs;
    char *locks;
    bool no_links; // files lie in snapshots/ themselves, as HF_HUB_DISABLE_SYMLINKS asks
} mm_hub_layout;

mm_status mm_hub_layout_open(mm_hub_layout *out, const char *cache, const char *name, bool no_links,
                             mm_error *error);
void mm_hub_layout_close(mm_hub_layout *layout); // leaves a zeroed one
// Makes the folders and CACHEDIR.TAG.
mm_status mm_hub_layout_prepare(const mm_hub_layout *layout, mm_error *error);

// snapshots/COMMIT/PATH, also when it is not there. The caller frees; NULL when memory is out.
char *mm_hub_layout_pointer(const mm_hub_layout *layout, const char *commit, const char *path);
// Where its content is: blobs/ETAG, or there when it lies there itself. The caller frees.
char *mm_hub_layout_content(const mm_hub_layout *layout, const char *commit, const char *path,
                            const char *etag);
// Links it to blobs/ETAG. Without links, or where the file system has none, the blob itself moves
// there.
mm_status mm_hub_layout_link(const mm_hub_layout *layout, const char *commit, const char *path,
                             const char *etag, mm_error *error);
// Once all paths are linked: a blob that lies in the snapshot itself keeps no other name.
void mm_hub_layout_settle(const mm_hub_layout *layout, const char *commit, const char *path,
                          const char *etag);
// Notes that the commit has no such file.
mm_status mm_hub_layout_note_missing(const mm_hub_layout *layout, const char *commit,
                                     const char *path, mm_error *error);
// refs/REVISION = commit; nothing when the revision is the commit itself.
mm_status mm_hub_layout_write_ref(const mm_hub_layout *layout, const char *revision,
                                  const char *commit, mm_error *error);
// DISK_FULL unless `bytes` more fit.
mm_status mm_hub_layout_check_space(const mm_hub_layout *layout, uint64_t bytes, mm_error *error);

// A name that no other thread uses, where no reader looks. The caller frees; NULL when memory is
// out.
char *mm_hub_layout_temporary(const mm_hub_layout *layout);
// What a failed system call on `path` means: DISK_FULL, MODEL_ACCESS_DENIED or DOWNLOAD_FAILED.
mm_status mm_hub_layout_fail(mm_error *error, const char *what, const char *path, int reason);
// Writes back what a directory holds, so that a rename outlives a power cut.
void mm_hub_layout_sync(const char *directory);

#endif

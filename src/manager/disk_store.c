// SPDX-License-Identifier: Apache-2.0
// Two tables: `vectors` holds records by a number that counts writes, so that what is written lies
// one behind the other and the longest ago written comes first; `index` leads from a key to that
// number. A record says its key and has a checksum, and a use compares both, so that neither a bad
// disk nor an index that leads astray gives a wrong vector.
//
// LMDB copies the pages that it changes, and those of before are free only two transactions later,
// and when no read is as old as that. Room is left for a few: a record may change four pages, which
// are its own, that of the one which it replaces, that of one which goes, and one of the index.
#include "manager/disk_store.h"

#include "base/digest.h"
#include "base/memory.h"

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    CHECKSUM_BYTES = 8,
    TABLES = 2,
    READERS = 512,
    TRIES = 50,
    FORMAT = 1,
    MARGIN = 1 << 20,
    SMALLEST = 4 << 20
};

static const char marker[] = "model-manager embedding cache";

// In front of the values, which the prompt follows.
typedef struct stored_head {
    uint8_t checksum[CHECKSUM_BYTES]; // of all that follows
    mm_cache_key key;
    int64_t expires_ns;
    uint32_t dimension;
    int32_t tokens;
    uint32_t prompt_size; // with its NUL; 0: none
    uint32_t truncated;
} stored_head;
_Static_assert(sizeof(stored_head) == 64, "the form on disk has no gaps");

struct mm_disk_store {
    MDB_env *env;
    MDB_dbi index, vectors;
    size_t page, pages; // bytes of one; how many there may be
    // A transaction holds it for reading. For writing: to follow a file that another process made
    // longer, since LMDB wants no transaction then, and to wait for reads.
    pthread_rwlock_t map;
    char *path;
    dev_t device; // of the file, in `opened`
    ino_t inode;
    mm_disk_store *next;
};

// LMDB's locks belong to the process: the same file must not be opened by it twice.
static pthread_mutex_t opened_lock = PTHREAD_MUTEX_INITIALIZER;
static mm_disk_store *opened;

// ---- Records -----------------------------------------------------------------------------------

static mm_disk_record *allocate(size_t dimension, size_t prompt_size) {
    size_t size;
    if (!mm_size_mul(&size, dimension, sizeof(float)) ||
        !mm_size_add(&size, size, sizeof(mm_disk_record) + prompt_size))
        return NULL;
    mm_disk_record *record = mm_malloc(size);
    if (record)
        *record = (mm_disk_record){.dimension = dimension};
    return record;
}

static size_t prompt_size(const char *prompt) {
    return prompt ? strlen(prompt) + 1 : 0;
}

mm_disk_record *mm_disk_record_create(const mm_cache_key *key, const mm_cached_vector *vector,
                                      int64_t expires_ns) {
    const size_t size = prompt_size(vector->prompt);
    mm_disk_record *record = allocate(vector->dimension, size);
    if (!record)
        return NULL;
    record->key = *key;
    record->expires_ns = expires_ns;
    record->tokens = vector->tokens;
    record->truncated = vector->truncated;
    memcpy(record->values, vector->values, vector->dimension * sizeof(float));
    if (size > 0)
        record->prompt = memcpy(record->values + vector->dimension, vector->prompt, size);
    return record;
}

static size_t stored_size(const mm_disk_record *record) {
    return sizeof(stored_head) + record->dimension * sizeof(float) + prompt_size(record->prompt);
}

size_t mm_disk_record_bytes(const mm_disk_record *record) {
    const size_t page = 4096, size = stored_size(record) + sizeof(mm_cache_key);
    return size > page ? size : page;
}

static bool checksum(uint8_t out[CHECKSUM_BYTES], const uint8_t *stored, size_t size) {
    uint8_t sum[MM_DIGEST_BYTES];
    mm_digest sha = {0};
    bool ok = mm_digest_begin(&sha, MM_DIGEST_SHA256, NULL) == MM_STATUS_OK &&
              mm_digest_add(&sha, stored + CHECKSUM_BYTES, size - CHECKSUM_BYTES) &&
              mm_digest_end(&sha, sum) == MM_SHA256_BYTES;
    mm_digest_free(&sha);
    if (ok)
        memcpy(out, sum, CHECKSUM_BYTES);
    return ok;
}

static bool pack(uint8_t *out, const mm_disk_record *record) {
    const size_t prompt = prompt_size(record->prompt), values = record->dimension * sizeof(float);
    const stored_head head = {.key = record->key,
                              .expires_ns = record->expires_ns,
                              .dimension = (uint32_t)record->dimension,
                              .tokens = record->tokens,
                              .prompt_size = (uint32_t)prompt,
                              .truncated = record->truncated};
    memcpy(out, &head, sizeof(head));
    memcpy(out + sizeof(head), record->values, values);
    if (prompt > 0)
        memcpy(out + sizeof(head) + values, record->prompt, prompt);
    return checksum(out, out, stored_size(record));
}

// MM_DISK_FRESH when the record is what was once written for that key.
static mm_status unpack(mm_disk_record **out, mm_disk_found *found, const MDB_val *value,
                        const mm_cache_key *key, mm_error *error) {
    const uint8_t *stored = value->mv_data;
    stored_head head;
    uint8_t sum[CHECKSUM_BYTES];
    *found = MM_DISK_DAMAGED;
    if (value->mv_size < sizeof(head))
        return MM_STATUS_OK;
    memcpy(&head, stored, sizeof(head));
    const uint64_t values = head.dimension * (uint64_t)sizeof(float);
    if (values + head.prompt_size != value->mv_size - sizeof(head) || head.dimension == 0 ||
        memcmp(head.key.digest, key->digest, sizeof(key->digest)) != 0 ||
        !checksum(sum, stored, value->mv_size) || memcmp(sum, head.checksum, sizeof(sum)) != 0 ||
        (head.prompt_size > 0 && stored[value->mv_size - 1] != 0))
        return MM_STATUS_OK;
    mm_disk_record *record = *out = allocate(head.dimension, head.prompt_size);
    if (!record)
        return mm_fail_memory(error, "a vector from the disk");
    record->key = *key;
    record->expires_ns = head.expires_ns;
    record->tokens = head.tokens;
    record->truncated = head.truncated != 0;
    memcpy(record->values, stored + sizeof(head), values);
    if (head.prompt_size > 0)
        record->prompt = memcpy(record->values + head.dimension, stored + sizeof(head) + values,
                                head.prompt_size);
    *found = MM_DISK_FRESH;
    return MM_STATUS_OK;
}

// ---- Transactions ------------------------------------------------------------------------------

static mm_status refuse(mm_error *error, const char *path, int code) {
    bool is_full = code == ENOSPC || code == EDQUOT || code == EFBIG;
    return mm_fail(error, is_full ? MM_STATUS_DISK_FULL : MM_STATUS_INTERNAL, "%.200s: %s", path,
                   mdb_strerror(code));
}

static int begin(MDB_txn **out, mm_disk_store *store, unsigned int flags) {
    for (bool again = false;; again = true) {
        pthread_rwlock_rdlock(&store->map);
        int code = mdb_txn_begin(store->env, NULL, flags, out);
        if (code)
            pthread_rwlock_unlock(&store->map);
        if (code != MDB_MAP_RESIZED || again)
            return code;
        pthread_rwlock_wrlock(&store->map);
        (void)mdb_env_set_mapsize(store->env, 0); // what the file says
        pthread_rwlock_unlock(&store->map);
    }
}

// Commits unless `code` says that something failed.
static int end(MDB_txn *txn, mm_disk_store *store, int code) {
    if (code)
        mdb_txn_abort(txn);
    else
        code = mdb_txn_commit(txn);
    pthread_rwlock_unlock(&store->map);
    return code;
}

// ---- Room --------------------------------------------------------------------------------------

size_t mm_disk_store_batch(const mm_disk_store *store) {
    const size_t most = 2 << 20, own = store->pages / 128 * store->page;
    return own < most ? own : most;
}

static size_t pages_of(MDB_txn *txn, MDB_dbi table) {
    MDB_stat stat = {0};
    (void)mdb_stat(txn, table, &stat);
    return stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
}

static size_t used_pages(MDB_txn *txn, const mm_disk_store *store) {
    return pages_of(txn, store->index) + pages_of(txn, store->vectors);
}

static size_t pages_for(const mm_disk_store *store, const mm_disk_record *records) {
    size_t pages = 0;
    for (; records; records = records->next)
        pages += mm_disk_record_bytes(records) / store->page + 1;
    return pages;
}

static bool is_over(const MDB_val *value, int64_t now_ns) {
    stored_head head;
    if (value->mv_size < sizeof(head))
        return true;
    memcpy(&head, value->mv_data, sizeof(head));
    return head.expires_ns <= now_ns;
}

static int drop_first(MDB_txn *txn, MDB_cursor *cursor, const mm_disk_store *store,
                      const MDB_val *number, const MDB_val *value) {
    stored_head head = {0};
    uint64_t own, indexed;
    memcpy(&own, number->mv_data, sizeof(own));
    if (value->mv_size >= sizeof(head))
        memcpy(&head, value->mv_data, sizeof(head));
    MDB_val key = {sizeof(head.key), &head.key}, found;
    int code = mdb_cursor_del(cursor, 0);
    if (!code)
        code = mdb_get(txn, store->index, &key, &found);
    if (code == MDB_NOTFOUND || (!code && found.mv_size != sizeof(indexed)))
        return MDB_SUCCESS;
    if (code)
        return code;
    memcpy(&indexed, found.mv_data, sizeof(indexed));
    return indexed == own ? mdb_del(txn, store->index, &key, NULL) : MDB_SUCCESS;
}

// Drops the longest ago written until `needed` pages are free, and those that are too old.
static int make_room(MDB_txn *txn, const mm_disk_store *store, size_t needed, int64_t now_ns) {
    const size_t batch = mm_disk_store_batch(store) / store->page;
    const size_t spare = 4 * (4 * batch + 32);
    const size_t most = store->pages > spare ? store->pages - spare : 0;
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn, store->vectors, &cursor);
    if (code)
        return code;
    while (!code) {
        MDB_val number, value;
        code = mdb_cursor_get(cursor, &number, &value, MDB_FIRST);
        if (code || (used_pages(txn, store) + needed <= most && !is_over(&value, now_ns)))
            break;
        code = number.mv_size == sizeof(uint64_t) ? drop_first(txn, cursor, store, &number, &value)
                                                  : MDB_CORRUPTED;
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? MDB_SUCCESS : code;
}

// ---- Writing -----------------------------------------------------------------------------------

// The first or the last number; 0 when there is none.
static int number_at(uint64_t *out, MDB_txn *txn, const mm_disk_store *store, MDB_cursor_op end) {
    MDB_cursor *cursor;
    MDB_val number, value;
    *out = 0;
    int code = mdb_cursor_open(txn, store->vectors, &cursor);
    if (code)
        return code;
    code = mdb_cursor_get(cursor, &number, &value, end);
    if (!code && number.mv_size == sizeof(*out))
        memcpy(out, number.mv_data, sizeof(*out));
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? MDB_SUCCESS : code;
}

// Where the key's record is; MDB_NOTFOUND when it has none.
static int look_up(uint64_t *out, MDB_txn *txn, const mm_disk_store *store,
                   const mm_cache_key *key) {
    mm_cache_key copy = *key;
    MDB_val wanted = {sizeof(copy), &copy}, found;
    int code = mdb_get(txn, store->index, &wanted, &found);
    if (code)
        return code;
    if (found.mv_size != sizeof(*out))
        return MDB_CORRUPTED;
    memcpy(out, found.mv_data, sizeof(*out));
    return MDB_SUCCESS;
}

static int put(MDB_txn *txn, const mm_disk_store *store, const mm_disk_record *record,
               uint64_t number) {
    uint64_t before;
    MDB_val at = {sizeof(before), &before};
    int code = look_up(&before, txn, store, &record->key);
    if (!code)
        code = mdb_del(txn, store->vectors, &at, NULL);
    if (code && code != MDB_NOTFOUND)
        return code;
    MDB_val place = {sizeof(number), &number}, room = {stored_size(record), NULL};
    code = mdb_put(txn, store->vectors, &place, &room, MDB_APPEND | MDB_RESERVE);
    if (code)
        return code;
    if (!pack(room.mv_data, record))
        return ENOMEM;
    mm_cache_key key = record->key;
    MDB_val name = {sizeof(key), &key}, value = {sizeof(number), &number};
    return mdb_put(txn, store->index, &name, &value, 0);
}

static int write_all(MDB_txn *txn, const mm_disk_store *store, const mm_disk_record *records,
                     int64_t now_ns) {
    uint64_t number = 0;
    int code = make_room(txn, store, pages_for(store, records), now_ns);
    if (!code)
        code = number_at(&number, txn, store, MDB_LAST);
    for (; records && !code; records = records->next)
        code = put(txn, store, records, ++number);
    return code;
}

// Until no read that is under way now is: what it sees is kept, and every write takes new pages.
static void await_readers(mm_disk_store *store, bool elsewhere) {
    const struct timespec moment = {.tv_nsec = 20000000};
    pthread_rwlock_wrlock(&store->map); // of this process
    pthread_rwlock_unlock(&store->map);
    if (elsewhere)
        (void)nanosleep(&moment, NULL);
}

mm_status mm_disk_store_write(mm_disk_store *store, const mm_disk_record *records, int64_t now_ns,
                              mm_error *error) {
    int code, dead;
    (void)mdb_reader_check(store->env, &dead); // killed ones would keep old pages for ever
    for (int tries = 0;; tries++) {
        MDB_txn *txn;
        code = begin(&txn, store, 0);
        if (!code)
            code = end(txn, store, write_all(txn, store, records, now_ns));
        if (code != MDB_MAP_FULL || tries == TRIES)
            break;
        await_readers(store, tries > 1);
    }
    return code ? refuse(error, store->path, code) : MM_STATUS_OK;
}

// ---- Reading -----------------------------------------------------------------------------------

static mm_status read_record(mm_disk_record **out, mm_disk_found *found, MDB_txn *txn,
                             const mm_disk_store *store, const mm_cache_key *key, mm_error *error) {
    uint64_t number, first, last;
    MDB_val at = {sizeof(number), &number}, value;
    int code = look_up(&number, txn, store, key);
    if (!code)
        code = mdb_get(txn, store->vectors, &at, &value);
    if (code == MDB_NOTFOUND)
        return MM_STATUS_OK;
    if (code)
        return refuse(error, store->path, code);
    mm_status status = unpack(out, found, &value, key, error);
    if (status || *found != MM_DISK_FRESH || number_at(&first, txn, store, MDB_FIRST) ||
        number_at(&last, txn, store, MDB_LAST))
        return status;
    if (number - first < last - number)
        *found = MM_DISK_OLD;
    return MM_STATUS_OK;
}

mm_status mm_disk_store_read(mm_disk_record **out, mm_disk_found *found, mm_disk_store *store,
                             const mm_cache_key *key, mm_error *error) {
    MDB_txn *txn;
    *out = NULL;
    *found = MM_DISK_ABSENT;
    int code = begin(&txn, store, MDB_RDONLY);
    if (code == MDB_READERS_FULL || code == MDB_MAP_RESIZED)
        return MM_STATUS_OK; // for the moment
    if (code)
        return refuse(error, store->path, code);
    mm_status status = read_record(out, found, txn, store, key, error);
    (void)end(txn, store, MDB_NOTFOUND); // nothing to commit
    return status;
}

void mm_disk_store_count(mm_disk_store *store, uint64_t *entries, uint64_t *bytes) {
    MDB_txn *txn;
    MDB_stat stat = {0};
    *entries = *bytes = 0;
    if (begin(&txn, store, MDB_RDONLY))
        return;
    if (mdb_stat(txn, store->vectors, &stat) == MDB_SUCCESS)
        *entries = stat.ms_entries;
    *bytes = used_pages(txn, store) * store->page;
    (void)end(txn, store, MDB_NOTFOUND);
}

// ---- Opening -----------------------------------------------------------------------------------

// Whether the file is one of ours; *is_new when there is nothing in it.
static mm_status check_marker(bool *is_new, MDB_txn *txn, MDB_dbi root, const char *path,
                              mm_error *error) {
    MDB_stat stat = {0};
    char name[sizeof(marker)];
    memcpy(name, marker, sizeof(name));
    MDB_val key = {sizeof(name), name}, value;
    uint32_t format;
    int code = mdb_stat(txn, root, &stat);
    *is_new = stat.ms_entries == 0;
    if (code || *is_new)
        return code ? refuse(error, path, code) : MM_STATUS_OK;
    code = mdb_get(txn, root, &key, &value);
    if (code && code != MDB_NOTFOUND)
        return refuse(error, path, code);
    if (code)
        return mm_fail(error, MM_STATUS_INTERNAL, "%.200s: another program's LMDB file", path);
    if (value.mv_size != sizeof(format) || memcmp(value.mv_data, &(uint32_t){FORMAT}, 4) != 0)
        return mm_fail(error, MM_STATUS_INTERNAL,
                       "%.200s: written by another version of model-manager", path);
    return MM_STATUS_OK;
}

static int mark(MDB_txn *txn, MDB_dbi root) {
    char name[sizeof(marker)];
    uint32_t format = FORMAT;
    memcpy(name, marker, sizeof(name));
    MDB_val key = {sizeof(name), name}, value = {sizeof(format), &format};
    return mdb_put(txn, root, &key, &value, 0);
}

// Opens the tables; with `may_write` makes what is missing. *is_new: nothing was there.
static mm_status open_tables(mm_disk_store *store, bool may_write, bool *is_new, mm_error *error) {
    MDB_txn *txn;
    MDB_dbi root;
    unsigned int create = may_write ? MDB_CREATE : 0;
    int code = begin(&txn, store, may_write ? 0 : MDB_RDONLY);
    if (code)
        return refuse(error, store->path, code);
    mm_status status = MM_STATUS_OK;
    code = mdb_dbi_open(txn, NULL, 0, &root);
    if (!code)
        status = check_marker(is_new, txn, root, store->path, error);
    const bool ready = !status && (may_write || !*is_new);
    if (!code && ready && *is_new)
        code = mark(txn, root);
    if (!code && ready)
        code = mdb_dbi_open(txn, "index", create, &store->index);
    if (!code && ready)
        code = mdb_dbi_open(txn, "vectors", create | MDB_INTEGERKEY, &store->vectors);
    code = end(txn, store, status && !code ? MDB_INCOMPATIBLE : code);
    return status || !code ? status : refuse(error, store->path, code);
}

// That its pages are in the file: LMDB looks at them in a map.
static mm_status check_size(const mm_disk_store *store, mm_error *error) {
    MDB_envinfo info = {0};
    MDB_stat stat = {0};
    struct stat file;
    int descriptor = -1;
    int code = mdb_env_info(store->env, &info);
    if (!code)
        code = mdb_env_stat(store->env, &stat);
    if (!code)
        code = mdb_env_get_fd(store->env, &descriptor);
    if (!code && fstat(descriptor, &file) != 0)
        code = errno;
    if (code)
        return refuse(error, store->path, code);
    if (file.st_size > 0 && (uint64_t)file.st_size / stat.ms_psize < info.me_last_pgno + 1)
        return mm_fail(error, MM_STATUS_INTERNAL, "%.200s: cut short, or broken", store->path);
    return MM_STATUS_OK;
}

static bool is_open_locked(const struct stat *file) {
    for (const mm_disk_store *at = opened; at; at = at->next) {
        if (at->device == file->st_dev && at->inode == file->st_ino)
            return true;
    }
    return false;
}

// With LMDB's file open: what there is of it.
static mm_status take_up(mm_disk_store *store, mm_error *error) {
    MDB_stat stat = {0};
    bool is_new = false;
    mm_status status = check_size(store, error);
    if (!status)
        status = open_tables(store, false, &is_new, error);
    if (!status && is_new)
        status = open_tables(store, true, &is_new, error);
    (void)mdb_env_stat(store->env, &stat);
    store->page = stat.ms_psize;
    return status;
}

static mm_status open_locked(mm_disk_store *store, uint64_t max_bytes, mm_error *error) {
    const char *path = store->path;
    struct stat file;
    const bool is_there = stat(path, &file) == 0;
    if (is_there && !S_ISREG(file.st_mode))
        return mm_fail(error, MM_STATUS_INTERNAL, "%.200s: not a regular file", path);
    if (is_there && is_open_locked(&file))
        return mm_fail(error, MM_STATUS_INTERNAL, "%.200s: in use by this process already", path);
    int code = mdb_env_create(&store->env);
    if (!code)
        code = mdb_env_set_maxdbs(store->env, TABLES);
    if (!code)
        code = mdb_env_set_maxreaders(store->env, READERS);
    // A larger file stays one, but what is in it will be less; that begins with taking more.
    const uint64_t there = is_there ? (uint64_t)file.st_size + MARGIN : 0;
    if (!code)
        code = mdb_env_set_mapsize(store->env, there > max_bytes + MARGIN ? there : max_bytes);
    if (!code)
        code = mdb_env_open(store->env, path,
                            MDB_NOSUBDIR | MDB_NOTLS | MDB_NOMETASYNC | MDB_NORDAHEAD, 0600);
    if (!code && stat(path, &file) != 0)
        code = errno;
    if (code)
        return refuse(error, path, code);
    mm_status status = take_up(store, error);
    if (status)
        return status;
    store->pages = max_bytes / store->page;
    store->device = file.st_dev;
    store->inode = file.st_ino;
    store->next = opened;
    opened = store;
    return MM_STATUS_OK;
}

mm_status mm_disk_store_open(mm_disk_store **out, const char *path, uint64_t max_bytes,
                             mm_error *error) {
    *out = NULL;
    if (max_bytes < SMALLEST)
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "%.200s: %llu bytes are too few; the smallest is %d", path,
                       (unsigned long long)max_bytes, (int)SMALLEST);
    mm_disk_store *store = mm_calloc(1, sizeof(*store));
    if (!store)
        return mm_fail_memory(error, "the cache on disk");
    pthread_rwlockattr_t attributes; // new reads do not keep a writer waiting for ever
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&store->map, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    store->path = mm_strdup(path);
    mm_status status = store->path ? MM_STATUS_OK : mm_fail_memory(error, "the cache on disk");
    pthread_mutex_lock(&opened_lock);
    if (!status)
        status = open_locked(store, max_bytes, error);
    pthread_mutex_unlock(&opened_lock);
    if (status)
        mm_disk_store_close(store);
    else
        *out = store;
    return status;
}

void mm_disk_store_close(mm_disk_store *store) {
    if (!store)
        return;
    pthread_mutex_lock(&opened_lock);
    for (mm_disk_store **at = &opened; *at; at = &(*at)->next) {
        if (*at == store) {
            *at = store->next;
            break;
        }
    }
    if (store->env)
        mdb_env_close(store->env);
    pthread_mutex_unlock(&opened_lock);
    pthread_rwlock_destroy(&store->map);
    mm_free(store->path);
    mm_free(store);
}

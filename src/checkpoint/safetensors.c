// SPDX-License-Identifier: Apache-2.0
// Reads the header of a safetensors file and checks it before anybody touches the data.
//
//   bytes 0..7     N, unsigned 64-bit little endian
//   bytes 8..8+N   a JSON object: name -> {dtype, shape, data_offsets}, and "__metadata__"
//   the rest       the data; the tensors cover it exactly, without holes or overlap
//
// Every tensor's range is inside the file once mm_safetensors_parse has said OK, so readers of
// mm_tensor need no checks of their own.
#include "checkpoint/safetensors.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the data is read as it lies");

enum { PREFIX = 8, HEADER_MAX = 100000000, NAME_SHOWN = 120 };

struct entry {
    mm_tensor tensor;
    uint64_t begin, end; // relative to the data
};

struct mm_safetensors {
    mm_file_map map; // empty when the caller keeps the bytes
    const char *header;
    size_t header_size;    // with the eight bytes in front
    size_t size;           // of the file
    char *names;           // all names, each NUL-terminated
    struct entry *entries; // in file order
    size_t count;
    const mm_tensor **by_name; // sorted, so that crafted names cannot slow a search down
};

static const struct {
    const char *name;
    mm_dtype dtype;
    unsigned bits;
} dtypes[] = {
    {"BOOL", MM_DTYPE_BOOL, 8},
    {"U8", MM_DTYPE_U8, 8},
    {"I8", MM_DTYPE_I8, 8},
    {"I16", MM_DTYPE_I16, 16},
    {"U16", MM_DTYPE_U16, 16},
    {"F16", MM_DTYPE_F16, 16},
    {"BF16", MM_DTYPE_BF16, 16},
    {"I32", MM_DTYPE_I32, 32},
    {"U32", MM_DTYPE_U32, 32},
    {"F32", MM_DTYPE_F32, 32},
    {"F64", MM_DTYPE_F64, 64},
    {"I64", MM_DTYPE_I64, 64},
    {"U64", MM_DTYPE_U64, 64},
    {"C64", MM_DTYPE_OTHER, 64},
    {"F8_E5M2", MM_DTYPE_OTHER, 8},
    {"F8_E4M3", MM_DTYPE_OTHER, 8},
    {"F8_E8M0", MM_DTYPE_OTHER, 8},
    {"F8_E4M3FNUZ", MM_DTYPE_OTHER, 8},
    {"F8_E5M2FNUZ", MM_DTYPE_OTHER, 8},
    {"F6_E2M3", MM_DTYPE_OTHER, 6},
    {"F6_E3M2", MM_DTYPE_OTHER, 6},
    {"F4", MM_DTYPE_OTHER, 4},
};

enum { DTYPE_COUNT = sizeof(dtypes) / sizeof(dtypes[0]) };

const char *mm_dtype_name(mm_dtype dtype) {
    return (unsigned)dtype < MM_DTYPE_OTHER ? dtypes[dtype].name : "OTHER";
}

size_t mm_dtype_bits(mm_dtype dtype) {
    return (unsigned)dtype < MM_DTYPE_OTHER ? dtypes[dtype].bits : 0;
}

// What is being read, for error texts.
struct reader {
    const char *where;
    const char *name; // the tensor at hand
    mm_error *error;
};

static mm_status refuse(const struct reader *reader, mm_status status, const char *rule) {
    // The rule comes last, so a name from the file must not push it out of the message.
    size_t shown = strlen(reader->name);
    if (shown > NAME_SHOWN) {
        shown = NAME_SHOWN;
        while (shown > 0 && ((unsigned char)reader->name[shown] & 0xC0) == 0x80)
            shown--;
    }
    return mm_fail(reader->error, status, "%s: tensor \"%.*s%s\": %s", reader->where, (int)shown,
                   reader->name, reader->name[shown] ? "..." : "", rule);
}

static mm_status broken(const struct reader *reader, const char *rule) {
    return refuse(reader, MM_STATUS_MODEL_CORRUPT, rule);
}

static bool read_unsigned(uint64_t *out, const json_t *value) {
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static mm_status read_shape(mm_tensor *tensor, const json_t *shape, const struct reader *reader) {
    if (!json_is_array(shape))
        return broken(reader, "shape must be a list");
    if (json_array_size(shape) > MM_TENSOR_MAX_RANK)
        return refuse(reader, MM_STATUS_MODEL_UNSUPPORTED, "more than 8 dimensions");
    tensor->rank = (int)json_array_size(shape);
    tensor->elements = 1;
    for (int i = 0; i < tensor->rank; i++) {
        uint64_t extent;
        if (!read_unsigned(&extent, json_array_get(shape, (size_t)i)))
            return broken(reader, "shape must hold integers of at least 0");
        tensor->shape[i] = (int64_t)extent;
        if (__builtin_mul_overflow(tensor->elements, tensor->shape[i], &tensor->elements))
            return broken(reader, "the shape has too many elements");
    }
    return MM_STATUS_OK;
}

static mm_status read_dtype(mm_tensor *tensor, size_t *bits, const json_t *dtype,
                            const struct reader *reader) {
    const char *text = json_string_value(dtype);
    if (!text || strlen(text) != json_string_length(dtype))
        return broken(reader, "dtype must be a string");
    for (size_t i = 0; i < DTYPE_COUNT; i++) {
        if (strcmp(text, dtypes[i].name) == 0) {
            tensor->dtype = dtypes[i].dtype;
            *bits = dtypes[i].bits;
            return MM_STATUS_OK;
        }
    }
    return broken(reader, "unknown dtype");
}

static mm_status read_entry(struct entry *out, const json_t *value, size_t data_size,
                            const struct reader *reader) {
    if (!json_is_object(value))
        return broken(reader, "must be an object");
    mm_tensor *tensor = &out->tensor;
    size_t bits = 0;
    mm_status status = read_dtype(tensor, &bits, json_object_get(value, "dtype"), reader);
    if (!status)
        status = read_shape(tensor, json_object_get(value, "shape"), reader);
    if (status)
        return status;
    const json_t *offsets = json_object_get(value, "data_offsets");
    if (json_array_size(offsets) != 2 || !read_unsigned(&out->begin, json_array_get(offsets, 0)) ||
        !read_unsigned(&out->end, json_array_get(offsets, 1)))
        return broken(reader, "data_offsets must be two integers of at least 0");
    if (out->end < out->begin)
        return broken(reader, "data_offsets end before they begin");
    if (out->end > data_size)
        return broken(reader, "data_offsets reach beyond the end of the file (is it cut short?)");
    size_t total_bits;
    if (!mm_size_mul(&total_bits, (size_t)tensor->elements, bits))
        return broken(reader, "the shape has too many bits");
    if (total_bits % 8 != 0)
        return broken(reader, "does not end on a whole byte");
    tensor->bytes = total_bits / 8;
    if (tensor->bytes != out->end - out->begin)
        return broken(reader, "shape and dtype do not match the size of data_offsets");
    return MM_STATUS_OK;
}

static mm_status check_metadata(const json_t *metadata, const struct reader *reader) {
    if (json_is_null(metadata))
        return MM_STATUS_OK;
    bool good = json_is_object(metadata);
    // jansson's iteration takes a mutable object, though it changes nothing.
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value) {
        good = good && json_is_string(value);
    }
    return good ? MM_STATUS_OK
                : mm_fail(reader->error, MM_STATUS_MODEL_CORRUPT,
                          "%s: __metadata__ must be an object of strings", reader->where);
}

static int compare_offsets(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end)
        return a->end < b->end ? -1 : 1;
    return strcmp(a->tensor.name, b->tensor.name); // empty tensors: any fixed order
}

static int compare_names(const void *left, const void *right) {
    const mm_tensor *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

// The tensors must follow each other from the first byte of the data to the last.
static mm_status check_layout(mm_safetensors *file, size_t data_size, struct reader *reader) {
    uint64_t at = 0;
    for (size_t i = 0; i < file->count; i++) {
        const struct entry *entry = &file->entries[i];
        reader->name = entry->tensor.name;
        if (entry->begin > at)
            return broken(reader, "bytes before it belong to no tensor");
        if (entry->begin < at)
            return broken(reader, "overlaps another tensor");
        at = entry->end;
    }
    if (at != data_size)
        return mm_fail(reader->error, MM_STATUS_MODEL_CORRUPT,
                       "%s: %zu bytes after the last tensor belong to no tensor", reader->where,
                       data_size - (size_t)at);
    return MM_STATUS_OK;
}

static mm_status allocate(mm_safetensors *file, const json_t *header, const struct reader *reader) {
    size_t names_size = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)header, key, value) {
        names_size += strlen(key) + 1; // cannot overflow: the header holds them all
    }
    size_t count = json_object_size(header);
    file->names = mm_malloc(names_size);
    file->entries = mm_calloc(count, sizeof(file->entries[0]));
    file->by_name = mm_calloc(count, sizeof(file->by_name[0]));
    if (!file->names || !file->entries || !file->by_name)
        return mm_fail_memory(reader->error, reader->where);
    return MM_STATUS_OK;
}

static mm_status read_entries(mm_safetensors *file, const json_t *header, struct reader *reader) {
    mm_status status = allocate(file, header, reader);
    if (status)
        return status;
    const char *data = file->header + file->header_size;
    size_t data_size = file->size - file->header_size;
    char *name = file->names;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)header, key, value) {
        if (strcmp(key, "__metadata__") == 0) {
            status = check_metadata(value, reader);
        } else {
            struct entry *entry = &file->entries[file->count];
            size_t length = strlen(key) + 1;
            reader->name = entry->tensor.name = memcpy(name, key, length);
            name += length;
            status = read_entry(entry, value, data_size, reader);
            entry->tensor.data = status ? NULL : data + entry->begin;
            file->count++;
        }
        if (status)
            return status;
    }
    if (file->count == 0)
        return check_layout(file, data_size, reader);
    qsort(file->entries, file->count, sizeof(file->entries[0]), compare_offsets);
    for (size_t i = 0; i < file->count; i++)
        file->by_name[i] = &file->entries[i].tensor;
    qsort(file->by_name, file->count, sizeof(file->by_name[0]), compare_names);
    return check_layout(file, data_size, reader);
}

// Finds the header and checks what can be checked before it is parsed.
static mm_status find_header(mm_safetensors *file, const void *data, size_t size,
                             const struct reader *reader) {
    uint64_t length;
    if (size < PREFIX)
        return mm_fail(reader->error, MM_STATUS_MODEL_CORRUPT,
                       "%s: %zu bytes are too few for a safetensors file", reader->where, size);
    memcpy(&length, data, sizeof(length));
    if (length > HEADER_MAX)
        return mm_fail(reader->error, MM_STATUS_MODEL_CORRUPT,
                       "%s: header of %llu bytes is larger than %d", reader->where,
                       (unsigned long long)length, HEADER_MAX);
    if (length > size - PREFIX)
        return mm_fail(reader->error, MM_STATUS_MODEL_CORRUPT,
                       "%s: header of %llu bytes does not fit into a file of %zu (is it cut "
                       "short?)",
                       reader->where, (unsigned long long)length, size);
    file->header = data;
    file->header_size = PREFIX + (size_t)length;
    file->size = size;
    const char *text = file->header + PREFIX;
    if (length == 0 || text[0] != '{')
        return mm_fail(reader->error, MM_STATUS_MODEL_CORRUPT, "%s: header must begin with '{'",
                       reader->where);
    size_t bad;
    if (!mm_utf8_valid(text, (size_t)length, &bad))
        return mm_fail(reader->error, MM_STATUS_MODEL_CORRUPT,
                       "%s: header is not UTF-8 at byte %zu", reader->where, PREFIX + bad);
    return MM_STATUS_OK;
}

mm_status mm_safetensors_parse(mm_safetensors **out, const void *data, size_t size,
                               const char *where, mm_error *error) {
    *out = NULL;
    struct reader reader = {.where = where, .name = "", .error = error};
    json_t *header = NULL;
    mm_safetensors *file = mm_calloc(1, sizeof(*file));
    if (!file)
        return mm_fail_memory(error, where);
    mm_status status = find_header(file, data, size, &reader);
    if (status)
        goto done;
    // Refuses duplicate keys, also inside an entry.
    status = mm_json_parse(&header, file->header + PREFIX, file->header_size - PREFIX, where,
                           MM_STATUS_MODEL_CORRUPT, error);
    if (!status)
        status = read_entries(file, header, &reader);
    if (status)
        goto done;
    *out = file;
    file = NULL;
done:
    json_decref(header);
    mm_safetensors_free(file);
    return status;
}

mm_status mm_safetensors_open(mm_safetensors **out, const char *path, mm_error *error) {
    *out = NULL;
    mm_file_map map;
    mm_status status = mm_file_map_open(&map, path, error);
    if (!status)
        status = mm_safetensors_parse(out, map.data, map.size, path, error);
    if (status)
        mm_file_unmap(&map);
    else
        (*out)->map = map;
    return status;
}

void mm_safetensors_rest(const mm_safetensors *file) {
    mm_file_map_rest(&file->map);
}

void mm_safetensors_free(mm_safetensors *file) {
    if (!file)
        return;
    mm_file_unmap(&file->map);
    mm_free(file->by_name);
    mm_free(file->entries);
    mm_free(file->names);
    mm_free(file);
}

size_t mm_safetensors_count(const mm_safetensors *file) {
    return file->count;
}

const mm_tensor *mm_safetensors_at(const mm_safetensors *file, size_t index) {
    return index < file->count ? &file->entries[index].tensor : NULL;
}

const mm_tensor *mm_safetensors_find(const mm_safetensors *file, const char *name) {
    mm_tensor wanted = {.name = name};
    const mm_tensor *key = &wanted;
    const mm_tensor **found =
        file->count ? bsearch(&key, file->by_name, file->count, sizeof(key), compare_names) : NULL;
    return found ? *found : NULL;
}

size_t mm_safetensors_bytes(const mm_safetensors *file) {
    return file->size;
}

const void *mm_safetensors_header(const mm_safetensors *file, size_t *size) {
    *size = file->header_size;
    return file->header;
}

int64_t mm_safetensors_mtime_ns(const mm_safetensors *file) {
    return file->map.mtime_ns;
}

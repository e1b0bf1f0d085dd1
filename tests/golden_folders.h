// SPDX-License-Identifier: Apache-2.0
// The golden folders: small models with what the reference libraries compute for them. Those of
// this repository are in tests/golden/models; more are used when ../shared/golden is there.
#ifndef MM_TESTS_GOLDEN_FOLDERS_H
#define MM_TESTS_GOLDEN_FOLDERS_H

#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct golden_case {
    const char *folder; // path
    const char *name;   // its last part
    const json_t *data; // golden.json
    double tolerance;   // largest difference from the float64 values that counts as equal
} golden_case;

// Calls function(case, payload) for each folder whose golden.json is of this kind, in order of
// names; says on stdout what is absent. Returns how many folders there were.
typedef void (*golden_function)(const golden_case *golden, void *payload);
size_t golden_each(const char *kind, golden_function function, void *payload);
// The same for one real model, ../shared/models/NAME, and tests/golden/NAME.json; false when the
// model is absent, which is said on stdout.
bool golden_real_model(const char *name, golden_function function, void *payload);
// True if the reference folder `name` of ../shared must be run by this version.
bool golden_is_required(const char *name);
size_t golden_required_count(void); // 0 when there is no ../shared

// Fails the test unless `found` is within `tolerance` of the list `expected` and, for vectors
// other than zero, their cosine is above `cosine`. Returns the largest difference.
double golden_compare(const float *found, const json_t *expected, size_t count, double tolerance,
                      double cosine, const char *what);

#endif

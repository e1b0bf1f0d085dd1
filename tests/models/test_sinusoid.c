// SPDX-License-Identifier: Apache-2.0
// Computed positions against values that transformers computes.
#include "check.h"

#include "models/sinusoid.h"

#include <math.h>

enum { WIDEST = 1024 };

// Far from the start an angle in float32 is known to about 1e-4, and so are the library's values:
// its exponential may round a frequency the other way.
static const double tolerance = 2e-5;

typedef struct expectation {
    int64_t row, column;
    double value;
} expectation;

static void check_values(void (*fill)(float *, int64_t, int64_t, int64_t), int64_t columns,
                         int64_t parameter, const expectation *expected, size_t count) {
    float row[WIDEST];
    for (size_t i = 0; i < count; i++) {
        fill(row, expected[i].row, columns, parameter);
        const double difference = fabs((double)row[expected[i].column] - expected[i].value);
        if (!(difference <= tolerance))
            fail_msg("row %lld, column %lld is %.9g, expected %.9g", (long long)expected[i].row,
                     (long long)expected[i].column, (double)row[expected[i].column],
                     expected[i].value);
    }
}

#define CHECK(fill, columns, parameter, ...)                                                       \
    {                                                                                              \
        static const expectation expected[] = {__VA_ARGS__};                                       \
        check_values(fill, columns, parameter, expected, sizeof expected / sizeof expected[0]);    \
    }

// MarianSinusoidalPositionalEmbedding
static void test_plain(void **state) {
    (void)state;
    CHECK(mm_sinusoid_fill, 512, 0, {0, 0, 0}, {0, 256, 1}, {1, 0, 0.841470957},
          {1, 1, 0.821856201}, {511, 3, 0.0455814563}, {511, 259, 0.998960614},
          {300, 511, 0.999516487})
    CHECK(mm_sinusoid_fill, 7, 0, {11, 0, -0.999990225}, {11, 1, 0.711516619},
          {11, 2, 0.0569434017}, {11, 3, 0.00410034182}, {11, 4, 0.00442569796},
          {11, 5, 0.702669263}, {11, 6, 0.998377383})
}

// M2M100SinusoidalPositionalEmbedding, padding 1, then 0.
static void test_padded(void **state) {
    (void)state;
    CHECK(mm_sinusoid_fill_padded, 1024, 1, {0, 0, 0}, {0, 512, 1}, {1, 3, 0}, {1, 1023, 0},
          {2, 1, 0.923581064}, {500, 7, 0.789466083}, {1025, 2, 0.779037237},
          {1025, 511, 0.102320604}, {1025, 514, -0.626977682}, {37, 1023, 0.999993145})
    CHECK(mm_sinusoid_fill_padded, 7, 0, {0, 3, 0}, {11, 0, -0.999990225}, {11, 1, 0.1097783},
          {11, 2, 0.00109999964}, {11, 3, 0.00442569796}, {11, 4, 0.993956089},
          {11, 5, 0.999999404}, {11, 6, 0})
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_padded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
// Who is evicted for whom.
#include "check.h"

#include "manager/memory_plan.h"

enum { MIB = 1 << 20, GIB = 1 << 30 };

static mm_memory_holder idle(size_t bytes, double load_seconds, double idle_seconds) {
    return (mm_memory_holder){
        .bytes = bytes, .load_seconds = load_seconds, .idle_seconds = idle_seconds};
}

static void test_what_fits_evicts_nobody(void **state) {
    (void)state;
    size_t evict[1];
    mm_memory_holder holders[] = {idle(100, 1, 1)};
    mm_memory_plan plan = mm_memory_plan_make(evict, 50, 150, holders, 1);
    assert_int_equal(plan.verdict, MM_MEMORY_FITS);
    assert_int_equal(plan.evict_count, 0);
    assert_int_equal(plan.available_bytes, 50);
    plan = mm_memory_plan_make(evict, 51, 150, holders, 1);
    assert_int_equal(plan.evict_count, 1);
    plan = mm_memory_plan_make(evict, 0, 150, NULL, 0);
    assert_int_equal(plan.verdict, MM_MEMORY_FITS);
}

static void test_the_cheapest_a_byte_goes(void **state) {
    (void)state;
    size_t evict[3];
    mm_memory_holder holders[] = {
        idle(GIB, 2, 1),   // just used
        idle(GIB, 2, 600), // long unused
        idle(GIB, 20, 600),
    };
    mm_memory_plan plan = mm_memory_plan_make(evict, GIB, 3L * GIB, holders, 3);
    assert_int_equal(plan.verdict, MM_MEMORY_FITS);
    assert_int_equal(plan.evict_count, 1);
    assert_int_equal(evict[0], 1);
    plan = mm_memory_plan_make(evict, 2L * GIB, 3L * GIB, holders, 3);
    assert_int_equal(plan.evict_count, 2);
    assert_int_equal(evict[0], 1);
    assert_int_equal(evict[1], 2);
}

// A small cheap one is spared when a larger one has to go anyhow.
static void test_nobody_goes_in_vain(void **state) {
    (void)state;
    size_t evict[2];
    mm_memory_holder holders[] = {idle(10 * MIB, 0.01, 1000), idle(GIB, 1, 1)};
    mm_memory_plan plan = mm_memory_plan_make(evict, GIB / 2, GIB, holders, 2);
    assert_int_equal(plan.verdict, MM_MEMORY_FITS);
    assert_int_equal(plan.evict_count, 1);
    assert_int_equal(evict[0], 1);
}

static void test_busy_and_pinned_ones_stay(void **state) {
    (void)state;
    size_t evict[2];
    mm_memory_holder holders[] = {idle(GIB, 1, 1000), idle(GIB, 1, 1000)};
    holders[0].is_busy = true;
    holders[1].is_pinned = true;
    assert_int_equal(mm_memory_plan_make(evict, GIB, 2L * GIB, holders, 2).verdict,
                     MM_MEMORY_WAITS);
    assert_int_equal(mm_memory_plan_make(evict, GIB + 1, 2L * GIB, holders, 2).verdict,
                     MM_MEMORY_NEVER);
    holders[0].is_busy = false;
    mm_memory_plan plan = mm_memory_plan_make(evict, GIB, 2L * GIB, holders, 2);
    assert_int_equal(plan.verdict, MM_MEMORY_FITS);
    assert_int_equal(plan.evict_count, 1);
    assert_int_equal(evict[0], 0);
}

static void test_sums_do_not_wrap(void **state) {
    (void)state;
    size_t evict[2];
    mm_memory_holder holders[] = {idle(SIZE_MAX, 1, 1), idle(SIZE_MAX, 1, 1)};
    assert_int_equal(mm_memory_plan_make(evict, SIZE_MAX, 100, holders, 2).verdict,
                     MM_MEMORY_NEVER);
    mm_memory_plan plan = mm_memory_plan_make(evict, 50, 100, holders, 2);
    assert_int_equal(plan.verdict, MM_MEMORY_FITS);
    assert_int_equal(plan.available_bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fits_evicts_nobody),
        cmocka_unit_test(test_the_cheapest_a_byte_goes),
        cmocka_unit_test(test_nobody_goes_in_vain),
        cmocka_unit_test(test_busy_and_pinned_ones_stay),
        cmocka_unit_test(test_sums_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

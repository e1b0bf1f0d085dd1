// SPDX-License-Identifier: Apache-2.0
// The queue as data: order, priorities, what goes together, leaving from anywhere.
#include "check.h"

#include "manager/state.h"

#include <stdlib.h>

enum { JOBS = 32, ROOM = 100 };

// The rows of these jobs are in their `awaited`.
static size_t rows_of(const mm_job *job) {
    return (size_t)job->awaited;
}

static bool goes_with(const mm_job *first, const mm_job *job) {
    return first->expires == job->expires;
}

static const mm_task_kind kind = {.rows = rows_of, .goes_with = goes_with};
static const mm_task_kind other_kind = {.rows = rows_of, .goes_with = goes_with};

typedef struct queue_fixture {
    mm_queue queue;
    mm_job jobs[JOBS];
} queue_fixture;

// Interactive jobs of ten rows.
static queue_fixture *new_fixture(void) {
    queue_fixture *own = calloc(1, sizeof(*own));
    assert_non_null(own);
    for (size_t i = 0; i < JOBS; i++) {
        own->jobs[i].kind = &kind;
        own->jobs[i].awaited = 10;
        own->jobs[i].state = MM_JOB_QUEUED;
    }
    return own;
}

static void push_bulk(queue_fixture *own, mm_job *job) {
    job->is_bulk = true;
    mm_queue_push(&own->queue, job);
}

static mm_job *take_one(queue_fixture *own) {
    mm_job *job = NULL;
    size_t count = mm_queue_take(&own->queue, &job, 1, 0);
    assert_int_equal(count, job != NULL);
    return job;
}

static void jobs_of_one_priority_go_in_their_order(void **state) {
    (void)state;
    queue_fixture *own = new_fixture();
    assert_null(mm_queue_first(&own->queue));
    assert_null(take_one(own));
    for (size_t i = 0; i < 5; i++)
        mm_queue_push(&own->queue, &own->jobs[i]);
    assert_int_equal(mm_queue_count(&own->queue), 5);
    for (size_t i = 0; i < 5; i++)
        assert_ptr_equal(take_one(own), &own->jobs[i]);
    assert_int_equal(mm_queue_count(&own->queue), 0);
    free(own);
}

static void a_job_leaves_from_any_place(void **state) {
    (void)state;
    queue_fixture *own = new_fixture();
    for (size_t i = 0; i < 6; i++)
        mm_queue_push(&own->queue, &own->jobs[i]);
    mm_queue_remove(&own->queue, &own->jobs[0]);
    mm_queue_remove(&own->queue, &own->jobs[5]);
    mm_queue_remove(&own->queue, &own->jobs[3]);
    mm_queue_push(&own->queue, &own->jobs[0]); // and may come back
    static const size_t expected[] = {1, 2, 4, 0};
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(take_one(own), &own->jobs[expected[i]]);
    assert_null(own->queue.interactive.first);
    assert_null(own->queue.interactive.last);
    free(own);
}

static void interactive_work_goes_before_bulk_work(void **state) {
    (void)state;
    queue_fixture *own = new_fixture();
    push_bulk(own, &own->jobs[0]);
    mm_queue_push(&own->queue, &own->jobs[1]);
    mm_queue_push(&own->queue, &own->jobs[2]);
    assert_ptr_equal(take_one(own), &own->jobs[1]);
    assert_ptr_equal(take_one(own), &own->jobs[2]);
    assert_ptr_equal(take_one(own), &own->jobs[0]);
    free(own);
}

static void bulk_work_is_not_starved_by_interactive_work(void **state) {
    (void)state;
    queue_fixture *own = new_fixture();
    mm_job *bulk[2] = {&own->jobs[0], &own->jobs[1]};
    push_bulk(own, bulk[0]);
    push_bulk(own, bulk[1]);
    size_t turns[2] = {0, 0}, done = 0;
    // There is always interactive work.
    for (size_t turn = 0; done < 2; turn++) {
        assert_true(turn < 4 * MM_QUEUE_BULK_TURN);
        mm_job *job = &own->jobs[2 + turn % (JOBS - 2)];
        mm_queue_push(&own->queue, job);
        job = take_one(own);
        if (job->is_bulk) {
            assert_ptr_equal(job, bulk[done]);
            turns[done++] = turn;
        }
    }
    assert_int_equal(turns[0], MM_QUEUE_BULK_TURN);
    assert_int_equal(turns[1], 2 * MM_QUEUE_BULK_TURN + 1);
    free(own);
}

// What interactive work did while no bulk work waited does not count.
static void bulk_work_has_no_turn_saved_up(void **state) {
    (void)state;
    queue_fixture *own = new_fixture();
    push_bulk(own, &own->jobs[0]);
    for (size_t i = 1; i <= 3; i++) {
        mm_queue_push(&own->queue, &own->jobs[i]);
        assert_ptr_equal(take_one(own), &own->jobs[i]);
    }
    mm_queue_remove(&own->queue, &own->jobs[0]); // cancelled
    push_bulk(own, &own->jobs[4]);
    for (size_t i = 5; i < 5 + MM_QUEUE_BULK_TURN; i++) {
        mm_queue_push(&own->queue, &own->jobs[i]);
        assert_ptr_equal(take_one(own), &own->jobs[i]);
    }
    mm_queue_push(&own->queue, &own->jobs[10]);
    assert_ptr_equal(take_one(own), &own->jobs[4]);
    free(own);
}

static void a_batch_is_filled_by_its_tokens(void **state) {
    (void)state;
    queue_fixture *own = new_fixture();
    mm_job *batch[JOBS];
    for (size_t i = 0; i < 12; i++)
        mm_queue_push(&own->queue, &own->jobs[i]);
    push_bulk(own, &own->jobs[20]);
    assert_int_equal(mm_queue_take(&own->queue, batch, JOBS, ROOM), 10);
    for (size_t i = 0; i < 10; i++)
        assert_ptr_equal(batch[i], &own->jobs[i]);
    assert_int_equal(mm_queue_take(&own->queue, batch, 1, ROOM), 1);    // by their number
    assert_int_equal(mm_queue_take(&own->queue, batch, JOBS, ROOM), 1); // no bulk work with it
    assert_ptr_equal(batch[0], &own->jobs[11]);
    own->jobs[0].awaited = 10 * ROOM; // too large for any batch: alone
    mm_queue_push(&own->queue, &own->jobs[0]);
    mm_queue_push(&own->queue, &own->jobs[1]);
    assert_int_equal(mm_queue_take(&own->queue, batch, JOBS, ROOM), 1);
    assert_ptr_equal(batch[0], &own->jobs[0]);
    free(own);
}

static void only_what_goes_together_is_one_batch(void **state) {
    (void)state;
    queue_fixture *own = new_fixture();
    mm_job *batch[JOBS];
    own->jobs[1].expires = own->jobs[2].expires = true; // does not go with 0
    own->jobs[3].kind = own->jobs[4].kind = &other_kind;
    for (size_t i = 0; i < 5; i++)
        mm_queue_push(&own->queue, &own->jobs[i]);
    assert_int_equal(mm_queue_take(&own->queue, batch, JOBS, ROOM), 1);
    assert_int_equal(mm_queue_take(&own->queue, batch, JOBS, ROOM), 2);
    assert_int_equal(mm_queue_take(&own->queue, batch, JOBS, ROOM), 2);
    assert_ptr_equal(batch[1], &own->jobs[4]);
    free(own);
}

static void lifted_work_goes_with_interactive_work(void **state) {
    (void)state;
    queue_fixture *own = new_fixture();
    for (size_t i = 0; i < 3; i++)
        push_bulk(own, &own->jobs[i]);
    mm_queue_push(&own->queue, &own->jobs[3]);
    mm_queue_lift(&own->queue, &own->jobs[1]);
    assert_ptr_equal(take_one(own), &own->jobs[3]);
    assert_ptr_equal(take_one(own), &own->jobs[1]);
    own->jobs[5].state = MM_JOB_PREPARING; // not there yet: it comes as interactive work
    own->jobs[5].is_bulk = true;
    mm_queue_lift(&own->queue, &own->jobs[5]);
    mm_queue_push(&own->queue, &own->jobs[5]);
    assert_ptr_equal(take_one(own), &own->jobs[5]);
    assert_ptr_equal(take_one(own), &own->jobs[0]);
    assert_ptr_equal(take_one(own), &own->jobs[2]);
    free(own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_of_one_priority_go_in_their_order),
        cmocka_unit_test(a_job_leaves_from_any_place),
        cmocka_unit_test(interactive_work_goes_before_bulk_work),
        cmocka_unit_test(bulk_work_is_not_starved_by_interactive_work),
        cmocka_unit_test(bulk_work_has_no_turn_saved_up),
        cmocka_unit_test(a_batch_is_filled_by_its_tokens),
        cmocka_unit_test(only_what_goes_together_is_one_batch),
        cmocka_unit_test(lifted_work_goes_with_interactive_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

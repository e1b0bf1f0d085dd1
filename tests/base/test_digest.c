// SPDX-License-Identifier: Apache-2.0
// Digests of published examples (FIPS 180-2), and the framing that every fingerprint rests on.
#include "check.h"

#include "base/digest.h"

#include <string.h>

static void assert_digest(mm_digest *sha, mm_digest_kind kind, const char *text,
                          const char *expected) {
    char out[MM_DIGEST_TEXT];
    mm_error error = {0};
    assert_ok(mm_digest_begin(sha, kind, &error), error);
    assert_true(mm_digest_add(sha, text, strlen(text)));
    assert_true(mm_digest_end_text(sha, out));
    assert_string_equal(out, expected);
}

static void test_published_examples(void **state) {
    (void)state;
    mm_digest sha = {0};
    for (int again = 0; again < 2; again++) { // one context does for both kinds
        assert_digest(&sha, MM_DIGEST_SHA256, "",
                      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_digest(&sha, MM_DIGEST_SHA256, "abc",
                      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_digest(&sha, MM_DIGEST_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
    }
    mm_digest_free(&sha);
    mm_digest_free(&sha); // an unused one
}

// A fingerprint is told to people and keys of the cache on disk hold it: it must stay what it is.
static void test_fingerprints_do_not_change(void **state) {
    (void)state;
    char out[MM_DIGEST_TEXT];
    mm_digest sha = {0};
    assert_int_equal(mm_digest_begin(&sha, MM_DIGEST_SHA256, NULL), MM_STATUS_OK);
    assert_true(mm_digest_add_part(&sha, "config.json", 11));
    assert_true(mm_digest_add_part(&sha, "", 0));
    assert_true(mm_digest_add_part(&sha, "{}", 2));
    assert_true(mm_digest_end_text(&sha, out));
    // Of the bytes that are: the length in 8 bytes, the lowest first, and the part.
    assert_string_equal(out, "9a257816ca6d4c172f806400b9b9b79fbaa76d4766221fd2ad20a999bde0e918");
    mm_digest_free(&sha);
}

static void test_an_end_of_bytes_and_one_of_text_agree(void **state) {
    (void)state;
    uint8_t bytes[MM_DIGEST_BYTES];
    mm_digest sha = {0};
    assert_int_equal(mm_digest_begin(&sha, MM_DIGEST_SHA1, NULL), MM_STATUS_OK);
    assert_true(mm_digest_add(&sha, "abc", 3));
    assert_int_equal(mm_digest_end(&sha, bytes), 20);
    assert_int_equal(bytes[0], 0xa9);
    assert_int_equal(bytes[19], 0x9d);
    assert_int_equal(mm_digest_begin(&sha, MM_DIGEST_SHA256, NULL), MM_STATUS_OK);
    assert_int_equal(mm_digest_end(&sha, bytes), MM_SHA256_BYTES);
    mm_digest_free(&sha);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_examples),
        cmocka_unit_test(test_fingerprints_do_not_change),
        cmocka_unit_test(test_an_end_of_bytes_and_one_of_text_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

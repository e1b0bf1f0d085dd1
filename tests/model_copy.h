// SPDX-License-Identifier: Apache-2.0
// A golden folder copied into the scratch directory, to be changed in one chosen place.
#ifndef MM_TESTS_MODEL_COPY_H
#define MM_TESTS_MODEL_COPY_H

// Copies the files of folder `from` to the folder `name` of the scratch directory; returns its path
// (static memory, good until the next copy). These functions fail the test when they cannot.
const char *model_copy(const char *name, const char *from);
// Puts the members of `members`, a JSON object, into the JSON file; those that are null go.
void model_copy_change(const char *name, const char *file, const char *members);
// Appends an added token to tokenizer.json.
void model_copy_add_token(const char *name, int id, const char *content);
// All values of an F32 tensor become `value`.
void model_copy_fill(const char *name, const char *tensor, float value);

#endif

// SPDX-License-Identifier: Apache-2.0
// What is always true of a manager's state whenever its lock is free.
#ifndef MM_TESTS_MANAGER_INVARIANTS_H
#define MM_TESTS_MANAGER_INVARIANTS_H

#include "modelmanager/modelmanager.h"

#include <stddef.h>

// Looks at all of the state under the lock. NULL, or what is wrong; static memory.
const char *invariants_broken(mm_manager *manager);
// The same, and that nothing is under way: no jobs, no waiters, no users, no memory promised to
// what is not loaded.
const char *invariants_unrest(mm_manager *manager);

#endif

// SPDX-License-Identifier: Apache-2.0
// What this process may use of the machine.
#ifndef MM_MANAGER_MACHINE_H
#define MM_MANAGER_MACHINE_H

#include <stdint.h>

// Processors by affinity and control group (versions 1 and 2), at least 1.
int mm_machine_cpus(void);
// Bytes of memory, and of those free, by the system and the control group.
void mm_machine_memory(uint64_t *total, uint64_t *available);

#endif

// SPDX-License-Identifier: Apache-2.0
// Whether a model would fit, for requests and for those who look at a model.
#ifndef MM_MANAGER_PLAN_H
#define MM_MANAGER_PLAN_H

#include "manager/found_model.h"
#include "manager/memory_need.h"
#include "manager/state.h"

// What the model takes for such a request; `request` NULL: for one worker with the model's own
// settings.
mm_status mm_plan_need(mm_memory_need *out, const mm_manager *manager, const mm_device *device,
                       const mm_task_model *model, const mm_request *request, mm_error *error);
// The plan as a JSON object; false when memory is out.
bool mm_plan_write(mm_buffer *out, mm_manager *manager, const mm_hub_model *model,
                   const mm_target *target, const mm_memory_need *need);

#endif

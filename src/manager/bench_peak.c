// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"
#include "compute/peak.h"
#include "manager/json_text.h"
#include "manager/machine.h"
#include "modelmanager/modelmanager.h"

mm_status mm_bench_peak(char **out, int threads, mm_error *error) {
    double f32_gflops, bf16_gflops, read_gbps;
    *out = NULL;
    if (threads <= 0)
        threads = mm_machine_cpus();
    mm_status status = mm_cpu_measure_peak(&f32_gflops, &bf16_gflops, &read_gbps, threads, error);
    if (status)
        return status;
    mm_buffer text;
    mm_buffer_init(&text, PTRDIFF_MAX);
    bool ok = mm_buffer_printf(&text, "{\"threads\": %d, \"f32_gflops\": ", threads) &&
              mm_json_put_float(&text, (float)f32_gflops) &&
              mm_buffer_puts(&text, ", \"bf16_gflops\": ") &&
              (bf16_gflops > 0 ? mm_json_put_float(&text, (float)bf16_gflops)
                               : mm_buffer_puts(&text, "null")) &&
              mm_buffer_puts(&text, ", \"read_gbps\": ") &&
              mm_json_put_float(&text, (float)read_gbps) && mm_buffer_putc(&text, '}');
    *out = ok ? mm_buffer_detach(&text) : NULL;
    mm_buffer_free(&text);
    return *out ? MM_STATUS_OK : mm_fail_memory(error, "the measurements");
}

/* status_sample: two pools as a server might have them, one of whose clients is hostile. */
#ifndef TSRMALLOC_TESTS_FPM_STATUS_SAMPLE_H
#define TSRMALLOC_TESTS_FPM_STATUS_SAMPLE_H

#include "fpm/status.h"

#define SAMPLE_TEXT(literal) { (literal), sizeof(literal) - 1 }
#define MIB ((size_t)1024 * 1024)

static const status_worker sample_workers[] = {
    {
        .number = 0, .tid = 4001, .state = STATUS_RUNNING, .start_time = 1000000000,
        .request_count = 812, .request_duration = 35127, .request_method = SAMPLE_TEXT("GET"),
        .request_uri = SAMPLE_TEXT("/page.lua?rows=100&list=2"),
        .script = SAMPLE_TEXT("/srv/www/page.lua"), .last_request_cpu = 12.5,
        .last_request_memory = 2 * MIB, .heap_size = 1300000, .heap_real_size = 6 * MIB,
        .heap_peak = 8 * MIB, .heap_cached = 0, .heap_limit = 16 * MIB, .reset_duration = 5400,
    },
    {
        .number = 1, .tid = 4002, .state = STATUS_IDLE, .start_time = 1000000007,
        .request_count = 790, .request_duration = 120, .request_method = SAMPLE_TEXT("PO\"ST\n"),
        .request_uri = SAMPLE_TEXT("/<script>alert(1)</script>?a='b'&c=\"d\"\\\x01\r\n\0\xff"
            "\xc3\xa4\xed\xa0\x80]]>"),
        .content_length = 77, .user = SAMPLE_TEXT("<b>"), .script = SAMPLE_TEXT("/s&t.lua"),
        .last_request_cpu = 99.999, .last_request_memory = 4 * MIB, .heap_size = 0,
        .heap_real_size = 2 * MIB, .heap_peak = 4 * MIB, .heap_cached = 2 * MIB,
        .heap_limit = SIZE_MAX, .reset_duration = 2100000,
    },
};

static const status_pool sample_pools[] = {
    {
        .name = SAMPLE_TEXT("www"), .process_manager = "dynamic", .start_time = 1000000000,
        .now = 1000000100, .accepted_count = 1602, .listen_queue = 1, .listen_queue_max = 9,
        .listen_queue_size = 511, .idle_count = 1, .active_count = 1, .total_count = 2,
        .active_count_max = 2, .children_max_reached = 3, .slow_count = 4,
        .memory_peak = 8 * MIB, .request_count = 1601, .limit_hit_count = 5, .timeout_count = 6,
        .abort_count = 7, .queue_timeout_count = 8, .worker_start_count = 12,
        .worker_end_count = 10, .map_count = 40, .unmap_count = 30, .process_memory = 24 * MIB,
        .process_memory_limit = 512 * MIB,
        .request_time = { { 0, 3, 800, 700, 90, 5, 2, 1, 0, 0, 0, 0, 0, 0, 0, 1 }, 123456789 },
        .queue_time = { { 1500, 101 }, 9000000 }, .reset_time = { { 1600, 1 }, 8000000 },
        .workers = sample_workers, .worker_count = 2,
    },
    {
        .name = SAMPLE_TEXT("s\"l\\ow"), .process_manager = "static", .start_time = 1000000000,
        .now = 999999999, .process_memory_limit = SIZE_MAX,
    },
};

#endif

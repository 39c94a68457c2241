/* trace: a file for the trace reader, plain or compressed.
 * Owns        a file in memory.
 * Thread      one.
 * Invariants  I1  what the reader takes can be replayed without a test: see trace.h
 *             I2  what it refuses has an error text
 * Failure     abort.
 * Tests       this is one. */
#include "config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/trace.h"
#include "tests/fuzz/fuzz.h"

enum { ERROR_SIZE = 512 };

static void check_trace(const trace *read)
{
    FUZZ_EXPECT(read->op_count > 0 && read->ops[read->op_count - 1].kind == TRACE_END);
    for (size_t index = 0; index < read->op_count; index++) {
        const trace_op *op = &read->ops[index];
        bool wide = op->kind == TRACE_ALLOC_WIDE || op->kind == TRACE_REALLOC_WIDE;
        FUZZ_EXPECT(op->kind <= TRACE_REALLOC_WIDE);
        FUZZ_EXPECT(op->kind == TRACE_END || op->id < read->id_count);
        FUZZ_EXPECT(!wide || op->size < read->wide_size_count);
    }
    for (size_t index = 0; index < read->request_count; index++) {
        FUZZ_EXPECT(read->request_first_ops[index] < read->op_count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], error[ERROR_SIZE] = "";
    trace read;
    int file = memfd_create("trace", 0);
    FUZZ_EXPECT(file >= 0);
    FUZZ_EXPECT(write(file, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (trace_read(path, &read, error, sizeof error)) {
        check_trace(&read);
        trace_free(&read);
    } else {
        FUZZ_EXPECT(error[0] != '\0' && strlen(error) < sizeof error);
    }
    close(file);
    return 0;
}

# The heap, with all that it offers: what the library shares with the drop-in for PHP (php/). The last
# three have its tables, of which a program touches the first words: so that all small variables share a
# page with what is initialised, they are linked in this order.
alloc_core_sources = \
    alloc/bin.c alloc/bin.h alloc/block_table.c alloc/block_table.h alloc/checks.h \
    alloc/custom.c alloc/debug.c alloc/debug.h alloc/dispatch.c alloc/dispatch.h \
    alloc/environment.c alloc/environment.h alloc/error.h alloc/globals.h alloc/hardened.c \
    alloc/hardened.h alloc/heap.c alloc/heap.h alloc/heap_aligned.c alloc/heap_alloc.c \
    alloc/heap_check.c alloc/heap_dump.c alloc/heap_gc.c alloc/heap_held.c alloc/heap_huge.c \
    alloc/heap_pages.c alloc/heap_realloc.c alloc/heap_stats.c \
    alloc/heap_storage.c alloc/hot.h alloc/huge.c alloc/huge.h alloc/leaks.c \
    alloc/live_bits.c alloc/live_bits.h alloc/observer.c alloc/observer.h alloc/os.h \
    alloc/os_debug.c alloc/os_debug.h alloc/os_posix.c alloc/os_shadow.c alloc/os_shadow.h \
    alloc/os_win32.c alloc/page_bits.h alloc/panic.c alloc/panic.h alloc/persistent.c \
    alloc/process_limit.c alloc/process_limit.h alloc/process_stats.c alloc/process_stats.h \
    alloc/quarantine.c alloc/quarantine.h alloc/remote.c alloc/remote.h alloc/report.c \
    alloc/report.h alloc/safe_size.h \
    alloc/segment.c alloc/segment.h alloc/segment_map.h \
    alloc/segment_pool.h alloc/segment_table.c alloc/segment_table.h \
    alloc/storage.c alloc/storage.h alloc/storage_guarded.c alloc/storage_guarded.h \
    alloc/storage_win32.c alloc/storage_win32.h alloc/thread_heap.c alloc/thread_heap.h \
    alloc/tracked.c alloc/tracked.h alloc/tsan.h \
    $(alloc_table_sources)
alloc_table_sources = alloc/heap_registry.c alloc/segment_pool.c alloc/segment_map.c

# The public API over it; PHP's is php/.
TSRMALLOC_SOURCES += alloc/api.c alloc/debug_check.c alloc/error.c alloc/globals.c \
    $(alloc_core_sources)
pkginclude_HEADERS += alloc/zend_alloc.h alloc/zend_alloc_debug.h alloc/zend_file_line.h

dist_doc_DATA += docs/debugging.md docs/zend-compatibility.md

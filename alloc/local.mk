# The heap, with all that it offers: what the library shares with the drop-in for PHP (php/). In the order
# of linking, so that what a program uses of it lies together: first what most programs run, then what few
# switch on, then the tables, of which a program touches the first words, behind all small variables.
alloc_core_sources = $(alloc_main_sources) $(alloc_mode_sources) $(alloc_table_sources) \
    $(alloc_core_headers)
alloc_main_sources = \
    alloc/thread_heap.c alloc/heap_alloc.c alloc/heap_realloc.c alloc/heap_pages.c alloc/heap_held.c \
    alloc/segment.c alloc/segment_table.c alloc/bin.c alloc/heap.c alloc/heap_huge.c alloc/huge.c \
    alloc/heap_gc.c alloc/heap_storage.c alloc/storage.c alloc/os_posix.c alloc/os_win32.c \
    alloc/storage_win32.c alloc/remote.c alloc/process_limit.c alloc/process_stats.c \
    alloc/environment.c alloc/persistent.c alloc/dispatch.c alloc/observer.c alloc/custom.c \
    alloc/heap_aligned.c alloc/os_shadow.c
alloc_mode_sources = \
    alloc/heap_stats.c alloc/heap_dump.c alloc/heap_check.c alloc/panic.c alloc/report.c \
    alloc/tracked.c alloc/block_table.c alloc/debug.c alloc/leaks.c alloc/hardened.c \
    alloc/live_bits.c alloc/quarantine.c alloc/storage_guarded.c alloc/os_debug.c
alloc_table_sources = alloc/heap_registry.c alloc/segment_pool.c alloc/segment_map.c
alloc_core_headers = \
    alloc/bin.h alloc/block_table.h alloc/checks.h alloc/debug.h alloc/dispatch.h \
    alloc/environment.h alloc/error.h alloc/globals.h alloc/hardened.h alloc/heap.h alloc/hot.h \
    alloc/huge.h alloc/live_bits.h alloc/observer.h alloc/os.h alloc/os_debug.h alloc/os_shadow.h \
    alloc/page_bits.h alloc/panic.h alloc/process_limit.h alloc/process_stats.h \
    alloc/quarantine.h alloc/remote.h alloc/report.h alloc/safe_size.h alloc/segment.h \
    alloc/segment_map.h alloc/segment_pool.h alloc/segment_table.h alloc/storage.h \
    alloc/storage_guarded.h alloc/storage_win32.h alloc/thread_heap.h alloc/tracked.h alloc/tsan.h

# The public API over it; PHP's is php/.
TSRMALLOC_SOURCES += alloc/api.c alloc/debug_check.c alloc/error.c alloc/globals.c \
    $(alloc_core_sources)
pkginclude_HEADERS += alloc/zend_alloc.h alloc/zend_alloc_debug.h alloc/zend_file_line.h

dist_doc_DATA += docs/debugging.md docs/zend-compatibility.md

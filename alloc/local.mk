TSRMALLOC_SOURCES += \
    alloc/api.c alloc/bin.c alloc/bin.h alloc/checks.h alloc/environment.c alloc/environment.h alloc/error.c \
    alloc/error.h alloc/globals.c alloc/globals.h alloc/heap.c alloc/heap.h alloc/heap_alloc.c \
    alloc/heap_check.c alloc/heap_gc.c alloc/heap_huge.c alloc/heap_pages.c alloc/heap_realloc.c \
    alloc/heap_registry.c alloc/heap_stats.c alloc/hot.h alloc/huge.c alloc/huge.h alloc/os.h \
    alloc/os_posix.c alloc/os_win32.c alloc/page_bits.h alloc/panic.c alloc/panic.h \
    alloc/persistent.c alloc/remote.c alloc/remote.h alloc/safe_size.h alloc/segment.c alloc/segment.h \
    alloc/segment_map.c alloc/segment_map.h alloc/segment_pool.c alloc/segment_pool.h \
    alloc/segment_table.c alloc/segment_table.h \
    alloc/storage.c alloc/storage.h alloc/storage_win32.c alloc/storage_win32.h alloc/tsan.h
pkginclude_HEADERS += alloc/zend_alloc.h

# What a heap offers beyond allocation and free.
TSRMALLOC_SOURCES += \
    alloc/block_table.c alloc/block_table.h alloc/debug.c alloc/debug.h alloc/hardened.c \
    alloc/hardened.h alloc/leaks.c alloc/live_bits.c alloc/live_bits.h alloc/os_debug.c \
    alloc/os_debug.h alloc/os_shadow.c alloc/os_shadow.h alloc/quarantine.c alloc/quarantine.h \
    alloc/storage_guarded.c alloc/storage_guarded.h alloc/tracked.c \
    alloc/tracked.h \
    alloc/heap_dump.c alloc/process_stats.c alloc/process_stats.h \
    alloc/custom.c alloc/dispatch.c alloc/dispatch.h alloc/heap_aligned.c \
    alloc/observer.c alloc/observer.h alloc/process_limit.c \
    alloc/process_limit.h
TSRMALLOC_SOURCES += alloc/heap_storage.c

dist_doc_DATA += docs/zend-compatibility.md

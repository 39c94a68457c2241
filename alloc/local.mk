TSRMALLOC_SOURCES += \
    alloc/api.c alloc/bin.c alloc/bin.h alloc/checks.h alloc/environment.c alloc/environment.h alloc/error.c \
    alloc/error.h alloc/globals.c alloc/globals.h alloc/heap.c alloc/heap.h alloc/heap_alloc.c \
    alloc/heap_check.c alloc/heap_gc.c alloc/heap_huge.c alloc/heap_pages.c alloc/heap_realloc.c \
    alloc/heap_registry.c alloc/heap_stats.c alloc/hot.h alloc/huge.c alloc/huge.h alloc/os.h \
    alloc/os_posix.c alloc/os_win32.c alloc/panic.c alloc/panic.h alloc/persistent.c \
    alloc/remote.c alloc/remote.h alloc/safe_size.h alloc/segment.c alloc/segment.h \
    alloc/segment_map.c alloc/segment_map.h alloc/segment_pool.c alloc/segment_pool.h \
    alloc/storage.c alloc/storage.h alloc/storage_win32.c alloc/storage_win32.h alloc/tsan.h
pkginclude_HEADERS += alloc/zend_alloc.h

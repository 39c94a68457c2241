# tsrm/: the thread-safe resource manager. Without ZTS only the start-up trace remains.

pkginclude_HEADERS += tsrm/tsrm.h

TSRMALLOC_SOURCES += \
    tsrm/os.h \
    tsrm/os_posix.c \
    tsrm/os_win32.c \
    tsrm/startup_trace.c \
    tsrm/startup_trace.h

tsrm_zts_sources = \
    tsrm/context.h \
    tsrm/entry.c \
    tsrm/entry.h \
    tsrm/error.c \
    tsrm/interpreter_context.c \
    tsrm/mutex.c \
    tsrm/mutex.h \
    tsrm/registry.c \
    tsrm/registry.h \
    tsrm/resource_id.c \
    tsrm/slot.c \
    tsrm/slot.h \
    tsrm/thread_entry.c \
    tsrm/thread_entry.h \
    tsrm/thread_table.c \
    tsrm/thread_table.h \
    tsrm/tsrm.c

if ZTS
TSRMALLOC_SOURCES += $(tsrm_zts_sources)
else
# Distributed from a tree without ZTS too.
EXTRA_DIST += $(tsrm_zts_sources)
endif

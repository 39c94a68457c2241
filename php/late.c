/* late: what PHP 8.2.35 and its contemporaries have in their memory manager beyond the archive: an
 * error at the limit that is noted, and raised where the engine's state is sound. It works on the
 * engine's own structures, so it is compiled with the headers of the PHP that it is linked into
 * (docs/php.md), and is part of no library. No other file of ours reads PHP's headers.
 * Owns        EG(delayed_oom), with the strings in it.
 * Thread      any; each its own.
 * Invariants  an error is noted once, and stays noted until PHP begins the next request
 * Failure     none.
 * Tests       tests/php/late.sh
 */
#include <php.h>

#include <zend_compile.h>
#include <zend_exceptions.h>
#include <zend_execute.h>

/* Of the archive: while an error is reported the heap's limit is lifted. */
void tsrmalloc_php_report_begins(void);
void tsrmalloc_php_report_ends(void);

/* Where the program is, in *line too; 0 where it is nowhere. */
static zend_string *find_place(uint32_t *line)
{
    zend_string *file = NULL;
    if (zend_is_executing()) {
        file = zend_get_executed_filename_ex();
        *line = zend_get_executed_lineno();
    } else if (zend_is_compiling()) {
        file = zend_get_compiled_filename();
        *line = (uint32_t)zend_get_compiled_lineno();
    }
    if (file == NULL) {
        *line = 0;
        return ZSTR_KNOWN(ZEND_STR_UNKNOWN_CAPITALIZED);
    }
    return zend_string_copy(file);
}

/* The archive calls this one, if it is there. The text must not come from the heap: it is full. */
__attribute__((visibility("hidden"))) void tsrmalloc_php_delay(const char *message)
{
    zend_oom_info *noted = &EG(delayed_oom);
    if (noted->state == ZEND_OOM_STATE_NONE) {
        noted->message = zend_string_init(message, strlen(message), 1);
        noted->filename = find_place(&noted->lineno);
        noted->state = ZEND_OOM_STATE_PENDING;
        zend_atomic_bool_store(&EG(vm_interrupt), true);
    }
}

void zend_mm_oom_info_dtor(zend_oom_info *info)
{
    zend_string **strings[] = { &info->message, &info->filename };
    for (size_t index = 0; index < 2; index++) {
        if (*strings[index] != NULL) {
            zend_string_release(*strings[index]);
            *strings[index] = NULL;
        }
    }
}

ZEND_API void ZEND_FASTCALL zend_handle_delayed_oom(void)
{
    zend_oom_info *noted = &EG(delayed_oom);
    if (noted->state != ZEND_OOM_STATE_PENDING) {
        return;
    }
    zend_execute_data *frame = EG(current_execute_data);
    noted->state = ZEND_OOM_STATE_HANDLING;
    tsrmalloc_php_report_begins();
    /* The engine keeps the text of the last error as a string of the request. */
    zend_string *persistent = noted->message;
    noted->message = zend_string_init(ZSTR_VAL(persistent), ZSTR_LEN(persistent), 0);
    zend_string_release(persistent);
    if (frame != NULL) {
        /* No catch and no finally runs on the way out. */
        EG(exception) = NULL;
        zend_throw_unwind_exit();
    }
    zend_try {
        zend_error_zstr_at(E_ERROR, noted->filename, noted->lineno, noted->message);
    } zend_end_try();
    tsrmalloc_php_report_ends();
    EG(current_execute_data) = frame;
    EG(opline_before_exception) = NULL;
    zend_mm_oom_info_dtor(noted);
    noted->state = ZEND_OOM_STATE_HANDLED;
    if (frame == NULL) {
        zend_bailout();
    }
}

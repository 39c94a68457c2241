/* lua_support.h: a process with one worker, and a request whose parts are the test's: to run Lua
 * scripts in. One test program, one .c file that includes this. */
#ifndef TSRMALLOC_TESTS_LUA_SUPPORT_H
#define TSRMALLOC_TESTS_LUA_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "sapi.h"

/* What the script sees, and what came of it. */
static struct {
    const char *const *params;      /* name, value, name, value, ..., NULL */
    const char *body;
    size_t body_used;
    size_t body_piece;              /* most bytes of a read; 0: all */
    char out[65536];
    size_t out_size;
    unsigned int write_count;
    size_t out_max;                 /* the client takes so many bytes; 0: all */
    char headers[1024];
    unsigned int status;
} page;

static engine_request lua_request;

static bool page_param(void *context, engine_text name, engine_text *value)
{
    (void)context;
    for (const char *const *at = page.params; at != NULL && *at != NULL; at += 2) {
        if (strlen(*at) == name.size && memcmp(*at, name.data, name.size) == 0) {
            *value = (engine_text){ at[1], strlen(at[1]) };
            return true;
        }
    }
    return false;
}

static bool page_param_at(void *context, size_t index, engine_text *name, engine_text *value)
{
    (void)context;
    const char *const *at = page.params;
    for (; at != NULL && *at != NULL && index > 0; index--) {
        at += 2;
    }
    if (at == NULL || *at == NULL) {
        return false;
    }
    *name = (engine_text){ at[0], strlen(at[0]) };
    *value = (engine_text){ at[1], strlen(at[1]) };
    return true;
}

static size_t page_read_body(void *context, char *buffer, size_t size)
{
    (void)context;
    size_t left = page.body == NULL ? 0 : strlen(page.body) - page.body_used;
    size = size < left ? size : left;
    size = page.body_piece != 0 && page.body_piece < size ? page.body_piece : size;
    memcpy(buffer, page.body == NULL ? "" : page.body + page.body_used, size);
    page.body_used += size;
    return size;
}

static const char *page_set_status(void *context, unsigned int status)
{
    (void)context;
    page.status = status;
    return NULL;
}

static const char *page_set_header(void *context, engine_text name, engine_text value,
    engine_header_mode mode)
{
    (void)context;
    size_t used = strlen(page.headers);
    snprintf(page.headers + used, sizeof(page.headers) - used, "%s%.*s=%.*s;",
        mode == ENGINE_HEADER_ADD ? "+" : "", (int)name.size, name.data, (int)value.size,
        value.data);
    return strcmp(value.data, "refused") == 0 ? "the test refuses this" : NULL;
}

static bool page_write(void *context, const char *data, size_t size)
{
    (void)context;
    page.write_count++;
    size_t room = (page.out_max != 0 ? page.out_max : sizeof(page.out) - 1) - page.out_size;
    size_t taken = size < room ? size : room;
    memcpy(page.out + page.out_size, data, taken);
    page.out_size += taken;
    page.out[page.out_size] = '\0';
    return taken == size;
}

static const engine_request_functions page_functions = {
    .param = page_param,
    .param_at = page_param_at,
    .read_body = page_read_body,
    .set_status = page_set_status,
    .set_header = page_set_header,
    .write = page_write,
};

static void lua_support_log(const char *message, int priority TSRMLS_DC)
{
#ifdef ZTS
    (void)tsrm_ls;
#endif
    (void)priority;
    printf("log: %s\n", message);
}

static zend_result lua_support_startup(sapi_module_struct *sapi)
{
    return php_module_startup(sapi, NULL, 0);
}

static void lua_support_flush(void *server_context)
{
    (void)server_context;
}

static sapi_module_struct lua_support_sapi = {
    .name = "test",
    .startup = lua_support_startup,
    .flush = lua_support_flush,
    .log_message = lua_support_log,
};

/* The process, with a limit of 8 MiB a request. false: no test can go on. */
static inline bool lua_support_begin(void)
{
    const char *error = NULL;
#ifdef ZTS
    if (!tsrm_startup(4, 4, 0, NULL) || ts_resource(0) == NULL) {
        return false;
    }
#endif
    lua_request.functions = &page_functions;
    return php_ini_set("memory_limit=8M", &error) && engine_interrupt_setup()
        && sapi_startup(&lua_support_sapi) == SUCCESS
        && sapi_module.startup(&lua_support_sapi) == SUCCESS;
}

static inline void lua_support_end(void)
{
    TSRMLS_FETCH();
    php_module_shutdown(TSRMLS_C);
    sapi_shutdown();
#ifdef ZTS
    (void)tsrm_shutdown();
#endif
}

/* One request for the runner, from its startup to its end. */
static inline engine_result lua_support_run_in(void *runner, const char *code)
{
    TSRMLS_FETCH();
    page.out_size = 0;
    page.write_count = 0;
    page.out[0] = '\0';
    page.headers[0] = '\0';
    page.status = 200;
    page.body_used = 0;
    lua_request.script = (engine_script){
        .path = "test.lua", .file = -1, .text = { code, strlen(code) },
    };
    if (php_request_startup(TSRMLS_C) == FAILURE) {
        return ENGINE_CORRUPT;
    }
    engine_result result = lua_engine.run(runner, 0, &lua_request);
    SG(heap_is_kept) = lua_engine.end_request(runner);
    php_request_shutdown(TSRMLS_C);
    return result;
}

#endif

/* module_registry: which modules there are, the order they start in, and calling their functions.
 * Owns        the list of modules; the registry's members of zend_module_entry.
 * Thread      registering, starting and ending: main thread, while no worker runs. The request
 *             functions: any thread; they only read the list.
 * Invariants  I1  after zend_startup_modules a module stands behind everything it depends on
 *             I2  module_number == place in the list + 1
 *             I3  SG(active_module_count) modules from the front have had their RINIT called
 * Failure     FAILURE, reported through sapi_report; what was started is ended in reverse order.
 * Tests       tests/unit/sapi_modules.c, tests/unit/sapi_lifecycle.c */
#include "config.h"

#include "module_registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sapi_internal.h"
#include "startup_trace.h"

#define PATH_TEXT_SIZE 512

/* const while worker threads run */
static struct {
    zend_module_entry **modules;
    uint count;
    uint capacity;
} registry;

static zend_module_entry *find_module(const char *name)
{
    for (uint index = 0; index < registry.count; index++) {
        if (strcmp(registry.modules[index]->name, name) == 0) {
            return registry.modules[index];
        }
    }
    return NULL;
}

zend_result zend_register_module(zend_module_entry *module)
{
    if (module->name == NULL || module->name[0] == '\0') {
        sapi_report(SAPI_LOG_ERROR, "a module has no name");
        return FAILURE;
    }
    if (find_module(module->name) != NULL) {
        sapi_report(SAPI_LOG_ERROR, "module %s: registered twice", module->name);
        return FAILURE;
    }
    if (registry.count == registry.capacity) {
        uint capacity = registry.capacity == 0 ? 8 : registry.capacity * 2;
        zend_module_entry **modules =
            realloc(registry.modules, capacity * sizeof(zend_module_entry *));
        if (modules == NULL) {
            sapi_report(SAPI_LOG_ERROR, "module %s: no memory to register it", module->name);
            return FAILURE;
        }
        registry.modules = modules;
        registry.capacity = capacity;
    }
    registry.modules[registry.count++] = module;
    module->module_number = 0;
    module->globals_made = false;
    module->module_started = false;
    return SUCCESS;
}

uint zend_module_count(void)
{
    return registry.count;
}

const zend_module_entry *zend_module_at(uint index)
{
    return registry.modules[index];
}

/* ---- order ---- */

static zend_result check_dependencies(const zend_module_entry *module)
{
    for (const zend_module_dep *dep = module->deps; dep != NULL && dep->name != NULL; dep++) {
        bool present = find_module(dep->name) != NULL;
        if (dep->type == MODULE_DEP_REQUIRED && !present) {
            sapi_report(SAPI_LOG_ERROR, "module %s: needs module %s, which is not registered",
                module->name, dep->name);
            return FAILURE;
        }
        if (dep->type == MODULE_DEP_CONFLICTS && present) {
            sapi_report(SAPI_LOG_ERROR, "module %s: cannot be used together with module %s",
                module->name, dep->name);
            return FAILURE;
        }
    }
    return SUCCESS;
}

/* A depth-first walk: `path` holds the modules being visited (to name a circle in full), `sorted`
 * those whose dependencies all stand before them. */
typedef struct sort_state {
    zend_module_entry **path;
    uint path_count;
    zend_module_entry **sorted;
    uint sorted_count;
} sort_state;

static bool contains(zend_module_entry *const *list, uint count, const zend_module_entry *module)
{
    for (uint index = 0; index < count; index++) {
        if (list[index] == module) {
            return true;
        }
    }
    return false;
}

static void report_circle(const sort_state *state, const zend_module_entry *again)
{
    char text[PATH_TEXT_SIZE] = "";
    size_t used = 0;
    bool inside = false;
    for (uint index = 0; index < state->path_count && used < sizeof(text); index++) {
        inside = inside || state->path[index] == again;
        if (inside) {
            int written = snprintf(text + used, sizeof(text) - used, "%s -> ",
                state->path[index]->name);
            used += written > 0 ? (size_t)written : 0;
        }
    }
    sapi_report(SAPI_LOG_ERROR, "modules depend on each other in a circle: %s%s", text,
        again->name);
}

static zend_result visit(sort_state *state, zend_module_entry *module)
{
    if (contains(state->sorted, state->sorted_count, module)) {
        return SUCCESS;
    }
    if (contains(state->path, state->path_count, module)) {
        report_circle(state, module);
        return FAILURE;
    }
    state->path[state->path_count++] = module;
    for (const zend_module_dep *dep = module->deps; dep != NULL && dep->name != NULL; dep++) {
        zend_module_entry *earlier =
            dep->type == MODULE_DEP_CONFLICTS ? NULL : find_module(dep->name);
        if (earlier != NULL && visit(state, earlier) == FAILURE) {
            return FAILURE;
        }
    }
    state->path_count--;
    state->sorted[state->sorted_count++] = module;
    return SUCCESS;
}

/* Dependencies first; otherwise the order of registration stays. */
static zend_result sort_modules(void)
{
    zend_result result = FAILURE;
    if (registry.count == 0) {
        return SUCCESS;
    }
    sort_state state = { 0 };
    state.path = malloc(registry.count * sizeof(zend_module_entry *));
    state.sorted = malloc(registry.count * sizeof(zend_module_entry *));
    if (state.path == NULL || state.sorted == NULL) {
        sapi_report(SAPI_LOG_ERROR, "no memory to sort the modules");
        goto out;
    }
    for (uint index = 0; index < registry.count; index++) {
        if (visit(&state, registry.modules[index]) == FAILURE) {
            goto out;
        }
    }
    memcpy(registry.modules, state.sorted, registry.count * sizeof(zend_module_entry *));
    for (uint index = 0; index < registry.count; index++) {
        registry.modules[index]->module_number = (int)index + 1;
    }
    result = SUCCESS;
out:
    free(state.path);
    free(state.sorted);
    return result;
}

/* ---- start and end of the process ---- */

static zend_result make_globals(zend_module_entry *module TSRMLS_DC)
{
    SAPI_UNUSED_TSRMLS;
    if (module->globals_size == 0) {
        return SUCCESS;
    }
#ifdef ZTS
    if (ts_allocate_id(module->globals_id_ptr, module->globals_size, module->globals_ctor,
            module->globals_dtor) == 0) {
        sapi_report(SAPI_LOG_ERROR, "module %s: no TSRM id for its globals", module->name);
        return FAILURE;
    }
#else
    if (module->globals_ctor != NULL) {
        module->globals_ctor(module->globals_ptr TSRMLS_CC);
    }
#endif
    module->globals_made = true;
    return SUCCESS;
}

static void drop_globals(zend_module_entry *module TSRMLS_DC)
{
    SAPI_UNUSED_TSRMLS;
    if (!module->globals_made) {
        return;
    }
    module->globals_made = false;
#ifdef ZTS
    ts_free_id(*module->globals_id_ptr);
#else
    if (module->globals_dtor != NULL) {
        module->globals_dtor(module->globals_ptr TSRMLS_CC);
    }
#endif
}

typedef zend_result (*module_function)(int type, int module_number TSRMLS_DC);

/* Call foreign code so that its zend_bailout() ends here: FAILURE. */
static zend_result call_module(module_function function, const zend_module_entry *module TSRMLS_DC)
{
    volatile zend_result result = FAILURE;
    if (function == NULL) {
        return SUCCESS;
    }
    zend_try {
        result = function(MODULE_PERSISTENT, module->module_number TSRMLS_CC);
    } zend_catch {
        SG(unclean_shutdown) = true;
    } zend_end_try();
    return result;
}

static zend_result start_module(zend_module_entry *module TSRMLS_DC)
{
    if (make_globals(module TSRMLS_CC) == FAILURE) {
        return FAILURE;
    }
    if (call_module(module->module_startup_func, module TSRMLS_CC) == FAILURE) {
        sapi_report(SAPI_LOG_ERROR, "module %s: its start function failed", module->name);
        return FAILURE;
    }
    module->module_started = true;
    return SUCCESS;
}

static void end_module(zend_module_entry *module TSRMLS_DC)
{
    if (module->module_started) {
        module->module_started = false;
        if (call_module(module->module_shutdown_func, module TSRMLS_CC) == FAILURE) {
            sapi_report(SAPI_LOG_WARNING, "module %s: its end function failed", module->name);
        }
    }
    drop_globals(module TSRMLS_CC);
}

zend_result zend_startup_modules(TSRMLS_D)
{
    uint64_t token = tsrm_startup_trace_enter("zend_startup_modules");
    for (uint index = 0; index < registry.count; index++) {
        if (check_dependencies(registry.modules[index]) == FAILURE) {
            goto fail;
        }
    }
    if (sort_modules() == FAILURE) {
        goto fail;
    }
    for (uint index = 0; index < registry.count; index++) {
        if (start_module(registry.modules[index] TSRMLS_CC) == FAILURE) {
            goto fail;
        }
    }
    tsrm_startup_trace_leave(token, "zend_startup_modules", "modules started: %u", registry.count);
    return SUCCESS;
fail:
    zend_destroy_modules(TSRMLS_C);
    tsrm_startup_trace_leave(token, "zend_startup_modules", "failed, modules ended again");
    return FAILURE;
}

void zend_destroy_modules(TSRMLS_D)
{
    for (uint index = registry.count; index > 0; index--) {
        end_module(registry.modules[index - 1] TSRMLS_CC);
    }
    free(registry.modules);
    registry.modules = NULL;
    registry.count = registry.capacity = 0;
}

/* ---- requests ---- */

zend_result zend_activate_modules(TSRMLS_D)
{
    SG(active_module_count) = 0;
    for (uint index = 0; index < registry.count; index++) {
        const zend_module_entry *module = registry.modules[index];
        /* Counted before the call: what a RINIT did before it failed, its RSHUTDOWN undoes. */
        SG(active_module_count)++;
        if (call_module(module->request_startup_func, module TSRMLS_CC) == FAILURE) {
            sapi_report(SAPI_LOG_ERROR, "module %s: could not start the request", module->name);
            return FAILURE;
        }
    }
    return SUCCESS;
}

void zend_deactivate_modules(TSRMLS_D)
{
    while (SG(active_module_count) > 0) {
        const zend_module_entry *module = registry.modules[--SG(active_module_count)];
        if (call_module(module->request_shutdown_func, module TSRMLS_CC) == FAILURE) {
            sapi_report(SAPI_LOG_WARNING, "module %s: could not end the request cleanly",
                module->name);
        }
    }
}

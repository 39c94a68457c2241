/* embed: runs PHP files with the libphp it is linked with, as php-cli would: what the tests of php/
 * preload the drop-in into. Compiled by tests/php/support.sh against the installed PHP's headers.
 *
 *     embed [-n] [-q] [-d NAME=VALUE]... [-f] FILE [ARGUMENT]...
 *     embed [-n] [-q] [-d NAME=VALUE]... -r CODE [ARGUMENT]...
 *
 * -n is taken as given: only what -d says counts. The exit status is the script's.
 */
#include <sapi/embed/php_embed.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTINGS_MAX 65536

/* As php-cli's own defaults, which tests rely on. */
static char settings[SETTINGS_MAX] =
    "html_errors=0\nregister_argc_argv=1\nimplicit_flush=1\noutput_buffering=0\n"
    "max_execution_time=0\nmax_input_time=-1\ndisplay_errors=1\nerror_log=\nlog_errors=0\n";

static void add_setting(const char *text)
{
    size_t used = strlen(settings);
    const char *value = strchr(text, '=');
    if (value == NULL) {
        snprintf(settings + used, sizeof settings - used, "%s=1\n", text);
        return;
    }
    value++;
    /* What is no word or number has to be quoted in an ini file. */
    bool is_plain = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "0123456789_./\"'") == strlen(value);
    snprintf(settings + used, sizeof settings - used, is_plain ? "%.*s%s\n" : "%.*s\"%s\"\n",
        (int)(value - text), text, value);
}

/* Takes the options; the index of the file, or (*is_code) of the code. */
static int take_options(int argc, char **argv, bool *is_code)
{
    int index = 1;
    while (index < argc && argv[index][0] == '-' && argv[index][1] != '\0') {
        char option = argv[index][1];
        if (strcmp(argv[index], "--") == 0) {
            return index + 1;
        }
        if (option == 'd') {
            const char *text = argv[index][2] != '\0' ? argv[index] + 2 : argv[++index];
            add_setting(text != NULL ? text : "");
        } else if (option == 'f' || option == 'r') {
            *is_code = option == 'r';
            return index + 1;
        } else if (strchr("nqC", option) == NULL) {
            fprintf(stderr, "embed: unknown option %s\n", argv[index]);
            exit(64);
        }
        index++;
    }
    return index;
}

static void run_file(const char *path)
{
    zend_file_handle file;
    zend_stream_init_filename(&file, path);
    file.primary_script = 1;
    CG(skip_shebang) = 1;
    (void)php_execute_script(&file);
    zend_destroy_file_handle(&file);
}

static int run(char *text, bool is_code)
{
    int status = 255;
    zend_first_try {
        if (is_code) {
            (void)zend_eval_string_ex(text, NULL, "Command line code", 1);
        } else {
            run_file(text);
        }
        status = EG(exit_status);
    } zend_catch {
        status = EG(exit_status);
    } zend_end_try();
    return status;
}

static void register_variables(zval *variables)
{
    php_import_environment_variables(variables);
    php_register_variable("PHP_SELF", SG(request_info).path_translated, variables);
    php_register_variable("SCRIPT_NAME", SG(request_info).path_translated, variables);
    php_register_variable("SCRIPT_FILENAME", SG(request_info).path_translated, variables);
}

static void define_stream(const char *name, const char *url)
{
    const char *mode = name[3] == 'I' ? "rb" : "wb";
    php_stream *stream = php_stream_open_wrapper_ex(url, mode, 0, NULL, NULL);
    if (stream != NULL) {
        zend_constant constant;
        stream->flags |= PHP_STREAM_FLAG_NO_CLOSE;
        php_stream_to_zval(stream, &constant.value);
        Z_CONSTANT_FLAGS(constant.value) = 0;
        constant.name = zend_string_init_interned(name, strlen(name), 0);
        zend_register_constant(&constant);
    }
}

int main(int argc, char **argv)
{
    bool is_code = false;
    int first = take_options(argc, argv, &is_code);
    if (first >= argc) {
        fprintf(stderr, "usage: embed [-d NAME=VALUE]... FILE|-r CODE [ARGUMENT]...\n");
        return 64;
    }
#ifdef ZTS
    php_tsrm_startup();
#endif
    zend_signal_startup();
    sapi_module_struct *module = &php_embed_module;
    module->name = "cli";       /* programs ask PHP_SAPI whether they are on a terminal */
    module->pretty_name = "PHP embedded";
    module->phpinfo_as_text = 1;
    module->php_ini_ignore = 1;
    module->register_server_variables = register_variables;
    sapi_startup(module);
    module->ini_entries = settings;
    if (module->startup(module) == FAILURE) {
        return 70;
    }
    SG(options) |= SAPI_OPTION_NO_CHDIR;
    SG(request_info).argc = argc - first;
    SG(request_info).argv = argv + first;
    SG(request_info).path_translated = argv[first];
    if (php_request_startup() == FAILURE) {
        return 70;
    }
    SG(headers_sent) = 1;
    SG(request_info).no_headers = 1;
    define_stream("STDIN", "php://stdin");
    define_stream("STDOUT", "php://stdout");
    define_stream("STDERR", "php://stderr");
    int status = run(argv[first], is_code);
    php_request_shutdown(NULL);
    php_module_shutdown();
    sapi_shutdown();
#ifdef ZTS
    tsrm_shutdown();
#endif
    return status;
}

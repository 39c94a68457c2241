/* record_file: writes the body of a trace while it grows, and the header in front of it at the end.
 * Owns        PATH.tmp, and PATH once it is complete.
 * Thread      one at a time.
 * Invariants  PATH is a complete trace or does not exist. Two gzip files in a row are one.
 * Failure     false, or NULL; PATH.tmp stays for a look at it.
 * Tests       tests/php/options.sh
 */
#include "config.h"

#include "php/record_file.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct php_record_file {
    char *path, *body_path;
    int body;               /* descriptor */
    void *compressor;       /* of zlib, on `body`; NULL: plain text */
};

/* zlib is looked for when a recording asks for it: other programs do not load it. */
static struct {
    void *(*gzdopen)(int file, const char *mode);
    int (*gzwrite)(void *compressor, const void *text, unsigned int length);
    int (*gzclose)(void *compressor);
} zlib;                     /* const after find_zlib() */

static void find_zlib(void)
{
    void *library = dlopen("libz.so.1", RTLD_NOW);
    if (library != NULL) {
        *(void **)&zlib.gzwrite = dlsym(library, "gzwrite");
        *(void **)&zlib.gzclose = dlsym(library, "gzclose");
        *(void **)&zlib.gzdopen = dlsym(library, "gzdopen");
    }
}

static bool is_compressed(const char *path)
{
    size_t length = strlen(path);
    return length > 3 && strcmp(path + length - 3, ".gz") == 0;
}

bool php_record_file_is_possible(const char *path)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, find_zlib);
    return !is_compressed(path) || (zlib.gzdopen != NULL && zlib.gzwrite != NULL
        && zlib.gzclose != NULL);
}

/* A file of the program's, which may close all descriptors it knows not: out of its way. */
static int create(const char *path, int flags)
{
    return open(path, flags | O_CREAT | O_CLOEXEC, 0644);
}

static bool write_all(int file, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(file, text, length);
        if (written <= 0) {
            return false;
        }
        text += written;
        length -= (size_t)written;
    }
    return true;
}

static bool write_compressed(void *compressor, const char *text, size_t length)
{
    const size_t most = 1u << 30;
    while (length > 0) {
        unsigned int part = (unsigned int)(length < most ? length : most);
        if (zlib.gzwrite(compressor, text, part) != (int)part) {
            return false;
        }
        text += part;
        length -= part;
    }
    return true;
}

php_record_file *php_record_file_open(const char *path)
{
    php_record_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return NULL;
    }
    file->path = strdup(path);
    size_t size = strlen(path) + sizeof ".tmp";
    file->body_path = malloc(size);
    if (file->path == NULL || file->body_path == NULL) {
        goto fail_names;
    }
    snprintf(file->body_path, size, "%s.tmp", path);
    file->body = create(file->body_path, O_RDWR | O_TRUNC);
    if (file->body < 0) {
        goto fail_names;
    }
    if (is_compressed(path)) {
        /* The compressor closes its descriptor; the body is read again at the end. */
        file->compressor = zlib.gzdopen(dup(file->body), "wb6");
        if (file->compressor == NULL) {
            goto fail_compressor;
        }
    }
    return file;

fail_compressor:
    close(file->body);
fail_names:
    php_record_file_forget(file);
    return NULL;
}

bool php_record_file_write(php_record_file *file, const char *text, size_t length)
{
    return file->compressor != NULL ? write_compressed(file->compressor, text, length)
                                    : write_all(file->body, text, length);
}

static bool copy_body(int from, int to)
{
    char part[65536];
    ssize_t length;
    if (lseek(from, 0, SEEK_SET) != 0) {
        return false;
    }
    while ((length = read(from, part, sizeof part)) > 0) {
        if (!write_all(to, part, (size_t)length)) {
            return false;
        }
    }
    return length == 0;
}

static bool write_header(int file, bool compresses, const char *header, size_t length)
{
    if (!compresses) {
        return write_all(file, header, length);
    }
    void *compressor = zlib.gzdopen(dup(file), "wb6");
    bool written = compressor != NULL && write_compressed(compressor, header, length);
    return compressor != NULL && zlib.gzclose(compressor) == 0 && written;
}

bool php_record_file_close(php_record_file *file, const char *header, size_t length)
{
    bool is_good = file->compressor == NULL || zlib.gzclose(file->compressor) == 0;
    int whole = create(file->path, O_WRONLY | O_TRUNC);
    is_good = is_good && whole >= 0
        && write_header(whole, file->compressor != NULL, header, length)
        && copy_body(file->body, whole);
    if (whole >= 0) {
        is_good = close(whole) == 0 && is_good;
    }
    close(file->body);
    if (is_good) {
        (void)unlink(file->body_path);
    }
    php_record_file_forget(file);
    return is_good;
}

void php_record_file_discard(php_record_file *file)
{
    if (file->compressor != NULL) {
        (void)zlib.gzclose(file->compressor);
    }
    close(file->body);
    (void)unlink(file->body_path);
    php_record_file_forget(file);
}

void php_record_file_forget(php_record_file *file)
{
    free(file->path);
    free(file->body_path);
    free(file);
}

/* request_file: from SCRIPT_FILENAME to an open file.
 * Owns        nothing: the descriptor is the caller's.
 * Thread      any.
 * Invariants  I1  with a root, what is opened lies under it, whatever links and ".." say
 * Failure     a status to answer with, and why.
 * Tests       tests/fpm/request.c */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fpm/request_file.h"

/* O_NONBLOCK: a FIFO shall not stop the worker. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

const char *fpm_file_script_path(char *value)
{
    static const char *const prefixes[] = { "proxy:fcgi://", "proxy:balancer://" };
    for (size_t index = 0; index < sizeof(prefixes) / sizeof(prefixes[0]); index++) {
        size_t size = strlen(prefixes[index]);
        if (strncmp(value, prefixes[index], size) == 0) {
            char *path = strchr(value + size, '/');
            path = path != NULL ? path : value + strlen(value);
            path[strcspn(path, "?")] = '\0';
            return path;
        }
    }
    return value;
}

bool fpm_file_has_extension(const char *path, const char *extensions)
{
    size_t path_size = strlen(path);
    if (extensions == NULL || *extensions == '\0') {
        return true;
    }
    while (*extensions != '\0') {
        size_t blanks = strspn(extensions, " \t");
        size_t size = strcspn(extensions + blanks, " \t");
        extensions += blanks;
        if (size > 0 && size <= path_size
            && memcmp(path + path_size - size, extensions, size) == 0) {
            return true;
        }
        extensions += size;
    }
    return false;
}

/* Where the descriptor's file really is. */
static bool real_path(int file, char path[PATH_MAX])
{
    char link[32];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    if (size < 0) {
        return false;
    }
    path[size] = '\0';
    return true;
}

/* For kernels before 5.6 and sandboxes without openat2(): open, then look where it led. */
static int open_and_check(int root, const char *below)
{
    char root_path[PATH_MAX];
    char path[PATH_MAX];
    int file = openat(root, below, OPEN_FLAGS);
    if (file < 0) {
        return -1;
    }
    bool is_known = real_path(root, root_path) && real_path(file, path);
    size_t size = is_known ? strlen(root_path) : 0;
    if (is_known && (size == 1
            || (strncmp(path, root_path, size) == 0 && path[size] == '/'))) {
        return file;
    }
    close(file);
    errno = EXDEV;
    return -1;
}

int fpm_file_open_below(int root, const char *below, bool use_openat2)
{
    struct open_how how = {
        .flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    if (use_openat2) {
        long file = syscall(SYS_openat2, root, below, &how, sizeof(how));
        if (file >= 0 || (errno != ENOSYS && errno != EPERM && errno != EAGAIN)) {
            return (int)file;
        }
    }
    return open_and_check(root, below);
}

/* The part of `path` behind `root`, relative; NULL: it does not begin with it. */
static const char *part_below(const char *path, const char *root)
{
    size_t size = strlen(root);
    while (size > 0 && root[size - 1] == '/') {
        size--;
    }
    if (strncmp(path, root, size) != 0 || path[size] != '/') {
        return NULL;
    }
    path += size;
    while (*path == '/') {
        path++;
    }
    return *path != '\0' ? path : NULL;
}

static int open_script(const char *path, const char *root, int root_file)
{
    if (root == NULL || *root == '\0') {
        return open(path, OPEN_FLAGS);
    }
    const char *below = part_below(path, root);
    if (below == NULL) {
        errno = EXDEV;
        return -1;
    }
    int own = root_file >= 0 ? root_file : open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (own < 0) {
        return -1;
    }
    int file = fpm_file_open_below(own, below, true);
    if (root_file < 0) {
        int saved = errno;
        close(own);
        errno = saved;
    }
    return file;
}

int fpm_file_open_script(const char *path, const char *root, int root_file)
{
    struct stat about;
    int file = open_script(path, root, root_file);
    if (file >= 0 && (fstat(file, &about) != 0 || !S_ISREG(about.st_mode))) {
        close(file);
        errno = EISDIR;
        return -1;
    }
    return file;
}

/* record_file: the file of a recorded trace: its header is known last and stands first. */
#ifndef TSRMALLOC_PHP_RECORD_FILE_H
#define TSRMALLOC_PHP_RECORD_FILE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct php_record_file php_record_file;

/* Can `path` be written? false: its name asks for compression, and the system has no zlib. */
bool php_record_file_is_possible(const char *path);
/* A new trace; what is written goes to PATH.tmp. NULL: it cannot be made (errno). */
php_record_file *php_record_file_open(const char *path);
/* false: the disk is full, or the like. */
bool php_record_file_write(php_record_file *file, const char *text, size_t length);
/* Put `header` in front of all that was written, as PATH. false: it cannot be written. */
bool php_record_file_close(php_record_file *file, const char *header, size_t length);
/* There is nothing to keep. */
void php_record_file_discard(php_record_file *file);
/* In a forked child: the file stays the parent's. */
void php_record_file_forget(php_record_file *file);

#endif

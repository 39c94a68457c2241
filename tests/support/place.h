/* place: in a debug build the text of a limit error says where the call is. */
#ifndef TSRMALLOC_TESTS_SUPPORT_PLACE_H
#define TSRMALLOC_TESTS_SUPPORT_PLACE_H

#include <string.h>

#include "alloc/zend_alloc.h"

/* Cuts " at FILE:LINE" out, so that one expected text serves every build; what it says is a case of
 * tests/unit/debug_build.c. In another build nothing is cut: no place may be there. */
static inline void cut_place(char *message)
{
    char *place = ZEND_DEBUG ? strstr(message, " at ") : NULL;
    const char *rest = place != NULL ? strstr(place, " (tried") : NULL;
    if (rest != NULL) {
        memmove(place, rest, strlen(rest) + 1);
    }
}

#endif

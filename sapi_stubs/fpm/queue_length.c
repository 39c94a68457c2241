/* queue_length: the length of a unix socket's queue, asked of the kernel by netlink.
 * Owns        nothing; a netlink socket lives for one question.
 * Thread      any.
 * Invariants  none.
 * Failure     false: the kernel has no sock_diag, or it does not answer.
 * Tests       tests/fpm/sockets.sh */
#include "config.h"

#include "fpm/queue_length.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct question {
    struct nlmsghdr header;
    struct unix_diag_req request;
} question;

/* The attribute UNIX_DIAG_RQLEN of an answer. */
static bool read_answer(const void *bytes, size_t size, unsigned int *waiting, unsigned int *room)
{
    const struct nlmsghdr *header = bytes;
    if (!NLMSG_OK(header, size) || header->nlmsg_type != SOCK_DIAG_BY_FAMILY) {
        return false;
    }
    const struct unix_diag_msg *message = NLMSG_DATA(header);
    const struct rtattr *attribute = (const struct rtattr *)(message + 1);
    size_t left = header->nlmsg_len - NLMSG_LENGTH(sizeof(*message));
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type == UNIX_DIAG_RQLEN) {
            struct unix_diag_rqlen length;
            memcpy(&length, RTA_DATA(attribute), sizeof(length));
            *waiting = length.udiag_rqueue;
            *room = length.udiag_wqueue;
            return true;
        }
    }
    return false;
}

bool fpm_queue_length_unix(int file, unsigned int *waiting, unsigned int *size)
{
    struct stat status;
    _Alignas(struct nlmsghdr) char answer[1024];
    int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (netlink < 0) {
        return false;
    }
    bool found = false;
    if (fstat(file, &status) == 0) {
        question asked = {
            .header = { .nlmsg_len = sizeof(asked), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                .nlmsg_flags = NLM_F_REQUEST },
            .request = { .sdiag_family = AF_UNIX, .udiag_states = ~0u,
                .udiag_ino = (unsigned int)status.st_ino, .udiag_show = UDIAG_SHOW_RQLEN,
                .udiag_cookie = { ~0u, ~0u } },
        };
        ssize_t got = send(netlink, &asked, sizeof(asked), 0) == (ssize_t)sizeof(asked)
            ? recv(netlink, answer, sizeof(answer), 0) : -1;
        found = got > 0 && read_answer(answer, (size_t)got, waiting, size);
    }
    close(netlink);
    return found;
}

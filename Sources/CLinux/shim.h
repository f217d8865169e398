// Calls of Linux that Swift's Glibc module does not show, because they are macros or GNU's: sealed memory, futexes, and
// descriptors sent through sockets.
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/memfd.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Named in <fcntl.h> and <poll.h> for GNU programs only.
enum { linux_add_seals = 1033, linux_get_seals = 1034, linux_seal_shrink = 2, linux_seal_grow = 4, linux_pollrdhup = 0x2000 };

// Memory of a size that nobody can change, as a descriptor; -1 and errno when there is none.
static inline int linux_make_sealed_memory(const char *name, long size) {
    int descriptor = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -1;
    if (ftruncate(descriptor, size) == 0 && fcntl(descriptor, linux_add_seals, linux_seal_shrink | linux_seal_grow) == 0)
        return descriptor;
    int failure = errno;
    close(descriptor);
    errno = failure;
    return -1;
}

// Whether a descriptor is memory of this size that nobody can make smaller: reading a mapping of it cannot fault.
static inline int linux_is_sealed_memory(int descriptor, long size) {
    struct stat status;
    int seals = fcntl(descriptor, linux_get_seals);
    return seals >= 0 && (seals & linux_seal_shrink) && fstat(descriptor, &status) == 0 && status.st_size == size;
}

// Sleeps while `*word` is `value`, for as long as `milliseconds`. The word may be in memory shared with other processes.
static inline void linux_futex_wait(const void *word, uint32_t value, long milliseconds) {
    struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, 0, 0);
}
static inline void linux_futex_wake(const void *word) { syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, 0, 0, 0); }

// Tells the processor that this is a loop that waits.
static inline void linux_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// Sends one byte and with it a descriptor; false and errno when it fails.
static inline int linux_send_descriptor(int socket, int descriptor) {
    char byte = 0;
    struct iovec part = {&byte, 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    memset(control, 0, sizeof control);
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

// Receives what linux_send_descriptor sent; -1 when something else came.
static inline int linux_receive_descriptor(int socket) {
    char byte;
    int descriptor = -1;
    struct iovec part = {&byte, 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    // Room for one: with more, what else is sent would stay open.
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_LEN(sizeof(int))};
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
    return descriptor;
}

// Whether neither end of a stream has closed.
static inline int linux_is_connected(int socket) {
    struct pollfd state = {socket, linux_pollrdhup, 0};
    return poll(&state, 1, 0) == 0;
}

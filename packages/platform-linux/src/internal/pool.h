/*
 * Calling convention of the functions for a thread of Node's pool. Each function takes one block of memory, which
 * begins with this header. The caller owns the memory, and doesn't touch it until the call has ended, except for
 * `state` in removal.c. The function writes its results into the memory, and decides nothing.
 */
#ifndef VM_SENTINEL_POOL_H
#define VM_SENTINEL_POOL_H

/* musl declares struct dirent64 only with this macro. */
#define _LARGEFILE64_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <time.h>

/*
 * Nanoseconds after which a function begins no further work, because other work of Node waits for the thread, and the
 * caller can be interrupted only between two calls.
 */
#define CALL_NS 5000000

/*
 * Number of the memory layout, which pool.ts has too. Increase both with every change of a struct, because code of one
 * build must not call a library of another build.
 */
#define LAYOUT 4

struct header {
	/* Number of items in the memory. */
	int32_t count;
	/* Descriptor of the directory of the items, if they have one in common. */
	int32_t fd;
	/* The errno of the call that failed, else 0. */
	int32_t error;
	/* 0: another call has to continue. removal.c doesn't set it. */
	int32_t is_done;
};

static inline int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/*
 * The second call is needed because only root and the owner of a file may use O_NOATIME. withoutTrace of dirFd.ts does
 * the same.
 */
static inline int open_without_trace(int directory, const char *path, int flags)
{
	int fd;

	flags |= O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	fd = openat(directory, path, flags | O_NOATIME);
	return fd < 0 && errno == EPERM ? openat(directory, path, flags) : fd;
}

/* Whether SentinelName.isSentinel of core accepts the name. */
int vm_sentinel_is_sentinel(const char *name);

#endif

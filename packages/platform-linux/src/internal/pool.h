/*
 * The one way in which a thread of Node's pool is called. Each function takes one memory, which begins with this header. The memory is
 * the caller's, who doesn't touch it until the call has ended. The function says in it what was done, and decides nothing.
 */
#ifndef VM_SENTINEL_POOL_H
#define VM_SENTINEL_POOL_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <time.h>

/* Nanoseconds after which a function begins nothing else: the thread is Node's, and the caller may have been stopped. */
#define CALL_NS 5000000

struct header {
	/* How many things the memory is about. */
	int32_t count;
	/* The directory they lie in, where they lie in one. */
	int32_t fd;
	/* The errno of the call that failed, else 0. */
	int32_t error;
	/* 0: another call goes on. */
	int32_t is_done;
};

static inline int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* withoutTrace of at.ts: only root and the owner of a file may ask for no trace. */
static inline int open_without_trace(int directory, const char *path, int flags)
{
	int fd;

	flags |= O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	fd = openat(directory, path, flags | O_NOATIME);
	return fd < 0 && errno == EPERM ? openat(directory, path, flags) : fd;
}

#endif

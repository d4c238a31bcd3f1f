/* What the calls that a thread of Node's pool makes have in common. */
#ifndef VM_SENTINEL_POOL_H
#define VM_SENTINEL_POOL_H

#include <errno.h>
#include <fcntl.h>

/* As withoutTrace of at.ts: only who owns a file, and root, may ask for no trace. */
static inline int open_without_trace(int directory, const char *path, int flags)
{
	int fd;

	flags |= O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	fd = openat(directory, path, flags | O_NOATIME);
	return fd < 0 && errno == EPERM ? openat(directory, path, flags) : fd;
}

#endif

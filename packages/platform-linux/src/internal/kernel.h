/*
 * Calls of the kernel, as its own headers declare them. musl comes without those headers, and has had statx(2) only
 * since 1.2.5.
 */
#ifndef VM_SENTINEL_KERNEL_H
#define VM_SENTINEL_KERNEL_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* openat2(2) has the same number on every architecture. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

struct kernel_open_how {
	uint64_t flags;
	uint64_t mode;
	uint64_t resolve;
};

#define KERNEL_NO_MOUNTS 0x01
#define KERNEL_NO_SYMLINKS 0x04

struct kernel_time {
	int64_t seconds;
	uint32_t nanoseconds;
	int32_t reserved;
};

struct kernel_stat {
	/* The fields that the kernel filled. */
	uint32_t mask;
	uint32_t block_bytes;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t reserved;
	uint64_t inode;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct kernel_time accessed;
	struct kernel_time born;
	struct kernel_time changed;
	struct kernel_time modified;
	uint32_t of_device_major;
	uint32_t of_device_minor;
	uint32_t device_major;
	uint32_t device_minor;
	uint64_t mount;
	uint64_t later[13];
};

_Static_assert(sizeof(struct kernel_stat) == 256, "struct statx");
_Static_assert(offsetof(struct kernel_stat, inode) == 32 && offsetof(struct kernel_stat, modified) == 112, "struct statx");
_Static_assert(offsetof(struct kernel_stat, mount) == 144, "struct statx");

/* Bits of `mask`. */
#define KERNEL_BASIC 0x07ff
#define KERNEL_INODE 0x0100
#define KERNEL_MOUNT 0x1000

static inline int kernel_stat(int fd, const char *name, int flags, unsigned int mask, struct kernel_stat *into)
{
	return (int)syscall(SYS_statx, fd, name, flags, mask, into);
}

static inline int kernel_open(int parent, const char *path, struct kernel_open_how how)
{
	return (int)syscall(SYS_openat2, parent, path, &how, sizeof(how));
}

/*
 * Opens a directory in another one. Fails with EXDEV for a mount point, without a call to the mounted file system,
 * which may not answer. Without openat2(2) every call fails.
 */
static inline int open_directory_inside(int parent, const char *name)
{
	const uint64_t flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	struct kernel_open_how how = {.flags = flags | O_NOATIME, .resolve = KERNEL_NO_MOUNTS};
	int fd = kernel_open(parent, name, how);

	if (fd >= 0 || errno != EPERM)
		return fd;
	how.flags = flags;
	return kernel_open(parent, name, how);
}

#endif

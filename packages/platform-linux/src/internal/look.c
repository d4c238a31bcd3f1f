/*
 * Looks at each directory of a page, and reads its sentinels. Before that, it locks or renames the directory if the page
 * asks for it. This code is only faster than LinuxDisk.ts, and decides nothing. It marks a special case UNTOLD, and
 * looking.ts looks again. Special cases are another mount, an owner or a mode by which nothing in the directory would be
 * trusted, many or long names, large or many sentinels, and a call that fails.
 */
#define _GNU_SOURCE
#include "pool.h"
#include "kernel.h"
#include <dirent.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define DIRECTORIES 32
#define NAME_BYTES 256
#define TARGET_BYTES 512
#define NAMES_BYTES 1008
#define FILES 2
#define CONTENT_BYTES 1000
#define UUID_BYTES 16
#define WANTED 0x0fff

/* RENAME_NOREPLACE of linux/fs.h. */
#define NO_REPLACE 1

enum action { LOOK, LOCK, MOVE };
enum result { UNTOLD, TOLD };

/* FS_IOC_GETFSUUID of linux/fs.h, Linux 6.9. The number is too large for the `int` of ioctl(2) in musl. */
struct file_system_uuid {
	uint8_t length;
	uint8_t bytes[UUID_BYTES];
};
#define GET_UUID _IOR(0x15, 0, struct file_system_uuid)

struct file {
	struct kernel_stat stat;
	/* Offset of the file's name in `names`. */
	int32_t name;
	int32_t length;
	char content[CONTENT_BYTES];
};

struct look {
	int32_t result;
	int32_t file_count;
	/* Bytes of `names`. */
	int32_t names_length;
	/* Not 0: `uuid` is that of the file system. */
	int32_t has_uuid;
	uint64_t file_system_type;
	/* Both halves of `f_fsid`. */
	uint32_t file_system_id[2];
	uint8_t uuid[UUID_BYTES];
	struct kernel_stat stat;
	/* All entries: a byte with the `d_type`, then the name and a NUL. */
	char names[NAMES_BYTES];
	struct file files[FILES];
};

struct page {
	struct header header;
	/* Number of directories done. */
	int32_t next;
	int32_t action;
	int32_t reserved[2];
	/* LOCK: the descriptor that was locked, or -1. */
	int32_t locks[DIRECTORIES];
	/* LOCK, MOVE: the errno of the call, or 0. */
	int32_t errors[DIRECTORIES];
	char names[DIRECTORIES][NAME_BYTES];
	/* MOVE: the new path, relative to the directory of the page. */
	char targets[DIRECTORIES][TARGET_BYTES];
	struct look looks[DIRECTORIES];
};

/* scanMany.ts relies on this layout. */
_Static_assert(offsetof(struct page, next) == 16 && offsetof(struct page, action) == 20, "next, action");
_Static_assert(offsetof(struct page, locks) == 32 && offsetof(struct page, errors) == 160, "locks, errors");
_Static_assert(offsetof(struct page, names) == 288 && offsetof(struct page, targets) == 8480, "names, targets");
_Static_assert(offsetof(struct page, looks) == 24864, "looks");
_Static_assert(offsetof(struct look, file_system_type) == 16 && offsetof(struct look, uuid) == 32, "uuid");
_Static_assert(offsetof(struct look, stat) == 48 && offsetof(struct look, names) == 304, "stat, names");
_Static_assert(offsetof(struct look, files) == 1312 && sizeof(struct look) == 3840, "files");
_Static_assert(offsetof(struct file, name) == 256 && offsetof(struct file, content) == 264, "content");
_Static_assert(sizeof(struct file) == 1264, "struct file");

/* Whether trust in the directory isn't excluded by its owner and mode. Trust.ofDirectory of core decides. */
static int may_be_trusted(const struct kernel_stat *stat)
{
	return (stat->uid == 0 || stat->uid == geteuid()) && (stat->mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int look_at_file_system(int fd, struct look *look)
{
	struct file_system_uuid uuid;
	struct statfs status;

	if (fstatfs(fd, &status) != 0)
		return 0;
	look->file_system_type = (uint64_t)status.f_type;
	memcpy(look->file_system_id, &status.f_fsid, sizeof(look->file_system_id));
	look->has_uuid = syscall(SYS_ioctl, fd, GET_UUID, &uuid) == 0;
	if (look->has_uuid)
		memcpy(look->uuid, uuid.bytes, sizeof(uuid.bytes));
	return 1;
}

static int read_file(int directory, struct look *look, int32_t name)
{
	struct file *file = &look->files[look->file_count];
	int is_read, fd;

	if (look->file_count == FILES || (fd = open_without_trace(directory, look->names + name, 0)) < 0)
		return 0;
	is_read = kernel_stat(fd, "", AT_EMPTY_PATH, WANTED, &file->stat) == 0 && S_ISREG(file->stat.mode) &&
		  file->stat.size <= CONTENT_BYTES;
	file->name = name;
	file->length = is_read ? (int32_t)read(fd, file->content, CONTENT_BYTES) : -1;
	look->file_count += 1;
	close(fd);
	return is_read && file->length == (int32_t)file->stat.size;
}

/* Lists all names. The buffer holds more than `names` does, so one call is enough for every directory that fits. */
static int list(int fd, struct look *look)
{
	char listing[4096];
	const struct dirent64 *child;
	long filled;

	look->names_length = 0;
	while ((filled = syscall(SYS_getdents64, fd, listing, sizeof(listing))) > 0) {
		for (long at = 0; at < filled; at += child->d_reclen) {
			size_t length;

			child = (const struct dirent64 *)(const void *)(listing + at);
			length = strlen(child->d_name) + 1;
			if (strcmp(child->d_name, ".") == 0 || strcmp(child->d_name, "..") == 0)
				continue;
			if (look->names_length + 1 + length > NAMES_BYTES)
				return 0;
			look->names[look->names_length] = (char)child->d_type;
			memcpy(look->names + look->names_length + 1, child->d_name, length);
			look->names_length += (int32_t)(1 + length);
		}
	}
	return filled == 0;
}

static int read_files(int fd, struct look *look)
{
	look->file_count = 0;
	for (int32_t at = 0; at < look->names_length; at += 2 + (int32_t)strlen(look->names + at + 1)) {
		if (vm_sentinel_is_sentinel(look->names + at + 1) && !read_file(fd, look, at + 1))
			return 0;
	}
	return 1;
}

static int look_inside(int fd, struct look *look)
{
	return kernel_stat(fd, "", AT_EMPTY_PATH, WANTED, &look->stat) == 0 && may_be_trusted(&look->stat) &&
	       look_at_file_system(fd, look) && list(fd, look) && read_files(fd, look);
}

/* The descriptor stays open until vm_sentinel_unlock. */
static int lock_directory(struct page *page, int32_t at)
{
	page->locks[at] = open_directory_inside(page->header.fd, page->names[at]);
	return page->locks[at] >= 0 && flock(page->locks[at], LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

/* Whether the name still names the locked directory. */
static int is_locked(const struct page *page, int32_t at, const struct kernel_stat *stat)
{
	struct kernel_stat locked;

	return page->action != LOCK ||
	       (kernel_stat(page->locks[at], "", AT_EMPTY_PATH, KERNEL_BASIC, &locked) == 0 &&
		locked.inode == stat->inode && locked.device_major == stat->device_major &&
		locked.device_minor == stat->device_minor);
}

static int act(struct page *page, int32_t at)
{
	const int root = page->header.fd;

	if (page->action == LOCK)
		return lock_directory(page, at);
	if (page->action == MOVE &&
	    syscall(SYS_renameat2, root, page->names[at], root, page->targets[at], NO_REPLACE) != 0)
		return errno;
	return 0;
}

static void look_at(struct page *page, int32_t at)
{
	struct look *look = &page->looks[at];
	int fd;

	look->result = UNTOLD;
	page->locks[at] = -1;
	page->errors[at] = act(page, at);
	if (page->errors[at] != 0)
		return;
	fd = open_directory_inside(page->header.fd, page->action == MOVE ? page->targets[at] : page->names[at]);
	if (fd < 0)
		return;
	if (look_inside(fd, look) && is_locked(page, at, &look->stat))
		look->result = TOLD;
	close(fd);
}

void vm_sentinel_look(struct page *page)
{
	const int64_t end = now_ns() + CALL_NS;
	const int32_t first = page->next;

	while (page->next < page->header.count && (page->next == first || now_ns() < end)) {
		look_at(page, page->next);
		page->next += 1;
	}
	page->header.is_done = page->next == page->header.count;
}

/* Closes the descriptors that vm_sentinel_look locked. */
void vm_sentinel_unlock(struct page *page)
{
	for (int32_t at = 0; at < page->next; at++) {
		if (page->locks[at] >= 0)
			close(page->locks[at]);
	}
	page->next = 0;
}

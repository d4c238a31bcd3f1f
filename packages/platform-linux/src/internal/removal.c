/*
 * Deletes trees, several in one call. This code is only faster than removing.ts of core, and decides nothing. It stops
 * at every special case, and removing.ts continues. Special cases are a lock that is held, a sentinel below the top or
 * one of the top that wasn't judged, another mount, another directory than the expected one, more than 32 levels, and a
 * call that fails.
 *
 * Each directory is opened with O_NOFOLLOW from the descriptor of its parent. The sentinels of a tree are removed last.
 */
#define _GNU_SOURCE
#include "pool.h"
#include "kernel.h"
#include <dirent.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ORDERS 32
#define PATH_BYTES 3928
#define JUDGED 4
#define LISTING_BYTES 8192
/* Maximum size of one directory entry in bytes. */
#define ENTRY_BYTES 280
#define DEPTH 32

/* Nanoseconds from the first removal in a tree until the call leaves the tree unfinished. Another call continues. */
#define TREE_NS 100000000

enum state { WAITING, BEGUN, UNWANTED };
enum result { UNKNOWN, GONE, UNFINISHED, LEFT };

/* A sentinel of the top, as it was judged. */
struct judged {
	uint64_t dev;
	uint64_t ino;
	uint64_t size;
	int64_t modified_ms;
};

struct order {
	/* Both threads change this field, atomically. */
	int32_t state;
	int32_t result;
	/* Not 0: the directory must have this `dev` and `ino`. */
	int32_t is_known;
	/* Not 0: each directory below the top is locked first. */
	int32_t is_locking;
	uint64_t dev;
	uint64_t ino;
	/* The sentinels of the top that may be unlinked, the first one first. */
	int64_t judged_count;
	struct judged judged[JUDGED];
	/*
	 * The path of the parent directory, the tree's name there, and the names of the judged sentinels, each followed by a
	 * NUL.
	 */
	char path[PATH_BYTES];
};

struct orders {
	struct header header;
	int32_t reserved[12];
	struct order orders[ORDERS];
	/* One buffer for each open directory. The buffers are here because koffi's stack is too small for them. */
	char listings[DEPTH][LISTING_BYTES];
};

/* removal.ts relies on this layout. */
_Static_assert(offsetof(struct orders, orders) == 64 && sizeof(struct orders) == 64 + 32 * 4096 + 32 * 8192, "orders");
_Static_assert(offsetof(struct order, result) == 4 && offsetof(struct order, is_known) == 8, "result, is_known");
_Static_assert(offsetof(struct order, is_locking) == 12 && offsetof(struct order, dev) == 16, "is_locking, dev");
_Static_assert(offsetof(struct order, ino) == 24 && offsetof(struct order, judged_count) == 32, "ino, judged_count");
_Static_assert(offsetof(struct order, judged) == 40 && sizeof(struct judged) == 32, "judged");
_Static_assert(offsetof(struct judged, size) == 16 && offsetof(struct judged, modified_ms) == 24, "struct judged");
_Static_assert(offsetof(struct order, path) == 168, "path");
_Static_assert(sizeof(struct order) == 4096, "struct order");
_Static_assert(offsetof(struct orders, listings) % _Alignof(struct dirent64) == 0, "listings");

struct work {
	const struct order *order;
	char (*listings)[LISTING_BYTES];
	/* 0 until the first removal, so that every call removes something, however slow it is. */
	int64_t deadline;
	int is_late;
	/* Id of the mount that the whole tree must lie on. */
	uint64_t mount;
	/* The name of the first judged sentinel. The names of the others follow. */
	const char *judged;
};

static int goes_on(struct work *work)
{
	if (__atomic_load_n(&work->order->state, __ATOMIC_SEQ_CST) != BEGUN)
		return 0;
	work->is_late = work->deadline != 0 && now_ns() > work->deadline;
	return !work->is_late;
}

static int remove_name(struct work *work, int parent, const char *name, int flags)
{
	if (unlinkat(parent, name, flags) != 0)
		return 0;
	if (work->deadline == 0)
		work->deadline = now_ns() + TREE_NS;
	return 1;
}

/* This is the rule of SentinelName.isSentinel of core. */
int vm_sentinel_is_sentinel(const char *name)
{
	static const char own[] = ".vm-sentinel";
	const size_t length = sizeof(own) - 1;

	if (strcmp(name, ".bbox-sentinel") == 0)
		return 1;
	return strncmp(name, own, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

static int is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Reads the inode and the mount id. statx(2) reports the mount id since Linux 5.8. */
static int look(int fd, struct kernel_stat *into)
{
	const unsigned int wanted = KERNEL_INODE | KERNEL_MOUNT;

	return kernel_stat(fd, "", AT_EMPTY_PATH, wanted, into) == 0 && (into->mask & wanted) == wanted;
}

static int is_same(uint64_t dev, uint64_t ino, const struct kernel_stat *found)
{
	return ino == found->inode && dev == makedev(found->device_major, found->device_minor);
}

/*
 * Takes the lock of a directory, if the order asks for locks. Returns 1 if the lock is held or can't be taken. The
 * errnos of lockSupport.ts mean that there are no locks here. Then the removal continues.
 */
static int is_barred(const struct work *work, int fd)
{
	if (!work->order->is_locking || flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno != EOPNOTSUPP && errno != ENOLCK && errno != ENOSYS;
}

/* This is the rule of judged.ts of core. */
static int is_unchanged(const struct judged *judged, int fd, const char *name)
{
	struct kernel_stat found;

	return kernel_stat(fd, name, AT_SYMLINK_NOFOLLOW, KERNEL_BASIC, &found) == 0 &&
	       is_same(judged->dev, judged->ino, &found) && judged->size == found.size &&
	       judged->modified_ms == found.modified.seconds * 1000 + found.modified.nanoseconds / 1000000;
}

static int is_judged(const struct work *work, int fd, const char *name)
{
	const char *judged = work->judged;

	for (int64_t index = 0; index < work->order->judged_count; index++, judged += strlen(judged) + 1) {
		if (strcmp(judged, name) == 0)
			return is_unchanged(&work->order->judged[index], fd, name);
	}
	return 0;
}

/*
 * Whether the listed entries have a sentinel that this call must not unlink. A directory with the name of a sentinel
 * isn't a sentinel.
 */
static int has_other(const struct work *work, int fd, int depth, const char *listing, long length)
{
	const struct dirent64 *child;

	for (long at = 0; at < length; at += child->d_reclen) {
		child = (const struct dirent64 *)(listing + at);
		if (child->d_type != DT_DIR && vm_sentinel_is_sentinel(child->d_name) &&
		    (depth > 0 || !is_judged(work, fd, child->d_name)))
			return 1;
	}
	return 0;
}

/*
 * Reads a directory to its end before anything in it is removed. Returns the bytes of `listing` if they hold all
 * entries. 0: the directory is larger, and must be read again. -1: nothing in it may be removed by this call.
 */
static long look_through(struct work *work, int fd, int depth)
{
	char *listing = work->listings[depth];
	long filled, length = 0;
	int is_whole = 1;

	while ((filled = syscall(SYS_getdents64, fd, listing + length, LISTING_BYTES - length)) > 0) {
		if (!goes_on(work) || has_other(work, fd, depth, listing + length, filled))
			return -1;
		length += filled;
		if (LISTING_BYTES - length < ENTRY_BYTES) {
			is_whole = 0;
			length = 0;
		}
	}
	if (filled < 0)
		return -1;
	if (is_whole)
		return length;
	return lseek(fd, 0, SEEK_SET) == 0 ? 0 : -1;
}

static int remove_listed(struct work *work, int fd, int depth, long length);
static int remove_children(struct work *work, int fd, int depth);

/* Removes all entries but for sentinels. */
static int remove_entries(struct work *work, int fd, int depth)
{
	const long length = look_through(work, fd, depth);

	if (length < 0)
		return 0;
	return length == 0 ? remove_children(work, fd, depth) : remove_listed(work, fd, depth, length);
}

static int remove_inner(struct work *work, int fd, int depth)
{
	struct kernel_stat found;

	return look(fd, &found) && found.mount == work->mount && !is_barred(work, fd) && remove_entries(work, fd, depth);
}

/* The descriptor holds the lock until the directory is removed. */
static int remove_directory(struct work *work, int parent, const char *name, int depth)
{
	int is_gone, fd;

	if (depth == DEPTH || (fd = open_directory_inside(parent, name)) < 0)
		return 0;
	is_gone = remove_inner(work, fd, depth) && remove_name(work, parent, name, AT_REMOVEDIR);
	close(fd);
	return is_gone;
}

static int remove_child(struct work *work, int parent, const struct dirent64 *child, int depth)
{
	/* A directory with the name of a sentinel isn't a sentinel. */
	if (child->d_type != DT_DIR) {
		/* Only remove_judged unlinks sentinels. */
		if (vm_sentinel_is_sentinel(child->d_name))
			return 1;
		if (remove_name(work, parent, child->d_name, 0))
			return 1;
		if (errno != EISDIR)
			return 0;
	}
	return remove_directory(work, parent, child->d_name, depth + 1);
}

/* Removes the listed entries but for sentinels. */
static int remove_listed(struct work *work, int fd, int depth, long length)
{
	const char *listing = work->listings[depth];
	const struct dirent64 *child;

	for (long at = 0; at < length; at += child->d_reclen) {
		child = (const struct dirent64 *)(listing + at);
		if (is_dots(child->d_name))
			continue;
		if (!goes_on(work) || !remove_child(work, fd, child, depth))
			return 0;
	}
	return 1;
}

/* getdents64(2) may skip a name after removals. Then rmdir(2) fails. */
static int remove_children(struct work *work, int fd, int depth)
{
	long length;

	while ((length = syscall(SYS_getdents64, fd, work->listings[depth], LISTING_BYTES)) > 0) {
		if (has_other(work, fd, depth, work->listings[depth], length) || !remove_listed(work, fd, depth, length))
			return 0;
	}
	return length == 0;
}

/* An owner without locks may have replaced a sentinel since has_other. */
static int remove_judged(const struct work *work, int fd)
{
	const char *name = work->judged;

	for (int64_t index = 0; index < work->order->judged_count; index++, name += strlen(name) + 1) {
		if (!is_unchanged(&work->order->judged[index], fd, name) || unlinkat(fd, name, 0) != 0)
			return 0;
	}
	return 1;
}

static int remove_top(struct work *work, int parent, const char *name)
{
	struct kernel_stat above, top;
	int is_empty = 0, fd = open_directory_inside(parent, name);

	if (fd < 0)
		return 0;
	if (look(fd, &top) && look(parent, &above) && top.mount == above.mount &&
	    (!work->order->is_known || is_same(work->order->dev, work->order->ino, &top))) {
		work->mount = top.mount;
		is_empty = remove_entries(work, fd, 0) && remove_judged(work, fd);
	}
	close(fd);
	return is_empty && unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

static enum result remove_tree(const struct order *order, char (*listings)[LISTING_BYTES])
{
	struct kernel_open_how how = {.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, .resolve = KERNEL_NO_SYMLINKS};
	struct work work = {.order = order, .listings = listings};
	const char *name = order->path + strlen(order->path) + 1;
	int parent = kernel_open(AT_FDCWD, order->path, how);
	int is_gone;

	if (parent < 0)
		return LEFT;
	work.judged = name + strlen(name) + 1;
	is_gone = remove_top(&work, parent, name);
	close(parent);
	return is_gone ? GONE : work.is_late ? UNFINISHED : LEFT;
}

void vm_sentinel_remove(struct orders *orders)
{
	const int64_t end = now_ns() + CALL_NS;
	const int32_t count = orders->header.count;

	for (int32_t index = 0; index < count && (index == 0 || now_ns() < end); index++) {
		struct order *order = &orders->orders[index];
		int32_t expected = WAITING;

		if (__atomic_compare_exchange_n(&order->state, &expected, BEGUN, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			order->result = remove_tree(order, orders->listings);
		/* This lets a thread that waits for a processor run first. */
		sched_yield();
	}
}

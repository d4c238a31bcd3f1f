/*
 * The kernel's part of a sweep: the fewest system calls that judge a directory by its sentinel and, if the owner is
 * gone, rename the directory twice (claim, mark) and delete it. No threads, no safety checks, no report. Each line of
 * standard input is the path of a root. The program sweeps the root and answers with a line of JSON.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

#define WORKSPACE ".floor"

struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short length;
	unsigned char type;
	char name[];
};

static _Alignas(8) char names[1 << 18], content[1 << 16];
static char record[4097];
static int claimed = -1, dead = -1;
static unsigned long alive, removed;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int is_dot(const char *name)
{
	return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

/* For a record without a 64-bit id: field 22 of /proc/<pid>/stat, the start time. */
static int has_start(long pid, const char *start)
{
	char path[32], text[1200], *field;
	ssize_t length;
	int fd, index;

	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	if ((fd = open(path, O_RDONLY)) < 0)
		return 0;
	length = read(fd, text, sizeof text - 1);
	close(fd);
	if (length <= 0)
		return 0;
	text[length] = 0;
	field = strrchr(text, ')');
	for (index = 2; field != NULL && index < 22; index++)
		field = strchr(field + 1, ' ');
	return field != NULL && strtoull(field + 1, NULL, 10) == strtoull(start, NULL, 10);
}

static int has_id(long pid, const char *id)
{
	struct stat st;
	int fd = syscall(SYS_pidfd_open, (pid_t)pid, 0);

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		fail("fstat");
	close(fd);
	return st.st_ino == strtoull(id, NULL, 10);
}

static int has_executable(long pid, const char *executable)
{
	char path[32], target[4096];
	ssize_t length;

	snprintf(path, sizeof path, "/proc/%ld/exe", pid);
	length = readlink(path, target, sizeof target - 1);
	if (length < 0)
		return 0;
	target[length] = 0;
	return strcmp(target, executable) == 0;
}

static int owner_lives(int root, const char *name)
{
	static const char id[] = "\"processId64\":\"", start[] = "\"startTime\":\"";
	char path[512], *line2, *line3, *value;
	ssize_t length;
	long pid;
	int fd;

	snprintf(path, sizeof path, "%s/.vm-sentinel", name);
	if ((fd = openat(root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) < 0)
		fail(path);
	length = read(fd, record, sizeof record - 1);
	close(fd);
	if (length <= 0)
		fail(path);
	record[length] = 0;
	pid = strtol(record, NULL, 10);
	if ((line2 = strchr(record, '\n')) == NULL)
		fail("a record without a line 2");
	*line2++ = 0;
	if ((line3 = strchr(line2, '\n')) == NULL)
		return has_executable(pid, line2);
	if ((value = strstr(line3, id)) != NULL)
		return has_id(pid, value + sizeof id - 1);
	if ((value = strstr(line3, start)) != NULL)
		return has_start(pid, value + sizeof start - 1);
	fail("a v3 record without an identity");
	return 1;
}

static int open_in(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		fail(name);
	return fd;
}

/* Deletes a directory that holds only files, as the benchmark makes directories. */
static void delete_directory(int parent, const char *name)
{
	int fd = open_in(parent, name);

	do {
		long length = syscall(SYS_getdents64, fd, content, sizeof content), at = 0;

		if (length < 0)
			fail("getdents64");
		while (at < length) {
			struct entry *entry = (struct entry *)(content + at);

			at += entry->length;
			if (is_dot(entry->name))
				continue;
			if (unlinkat(fd, entry->name, 0) < 0)
				fail(entry->name);
		}
	} while (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno == ENOTEMPTY && lseek(fd, 0, SEEK_SET) == 0);
	close(fd);
}

static void reclaim(int root, const char *name)
{
	if (dead < 0) {
		if (mkdirat(root, WORKSPACE, 0700) < 0 || mkdirat(root, WORKSPACE "/claimed", 0700) < 0 ||
		    mkdirat(root, WORKSPACE "/dead", 0700) < 0)
			fail(WORKSPACE);
		claimed = open_in(root, WORKSPACE "/claimed");
		dead = open_in(root, WORKSPACE "/dead");
	}
	if (syscall(SYS_renameat2, root, name, claimed, name, RENAME_NOREPLACE) < 0 ||
	    syscall(SYS_renameat2, claimed, name, dead, name, RENAME_NOREPLACE) < 0)
		fail(name);
	delete_directory(dead, name);
}

/* Sorts by inode, which getdents64 returns at no cost. ext4 lists in hash order, in which inodes are slower to read. */
static int by_inode(const void *a, const void *b)
{
	uint64_t left = (*(struct entry *const *)a)->ino, right = (*(struct entry *const *)b)->ino;

	return left < right ? -1 : left > right;
}

static void sweep(const char *path)
{
	struct entry **entries = NULL;
	size_t count = 0, room = 0, index;
	char *list = NULL;
	size_t used = 0, size = 0;
	long length;
	int root = open_in(AT_FDCWD, path);

	while ((length = syscall(SYS_getdents64, root, names, sizeof names)) > 0) {
		if (used + length > size && (list = realloc(list, size = 2 * (used + length))) == NULL)
			fail("realloc");
		memcpy(list + used, names, length);
		used += length;
	}
	if (length < 0)
		fail(path);
	for (size_t at = 0; at < used; at += ((struct entry *)(list + at))->length) {
		struct entry *entry = (struct entry *)(list + at);

		if (entry->type != DT_DIR || is_dot(entry->name))
			continue;
		if (count == room && (entries = realloc(entries, sizeof *entries * (room = 2 * room + 64))) == NULL)
			fail("realloc");
		entries[count++] = entry;
	}
	if (count > 0)
		qsort(entries, count, sizeof *entries, by_inode);
	for (index = 0; index < count; index++) {
		if (owner_lives(root, entries[index]->name)) {
			alive++;
		} else {
			reclaim(root, entries[index]->name);
			removed++;
		}
	}
	if (dead >= 0) {
		close(claimed);
		close(dead);
		claimed = dead = -1;
		unlinkat(root, WORKSPACE "/claimed", AT_REMOVEDIR);
		unlinkat(root, WORKSPACE "/dead", AT_REMOVEDIR);
		unlinkat(root, WORKSPACE, AT_REMOVEDIR);
	}
	close(root);
	free(entries);
	free(list);
}

static double milliseconds(struct timeval time)
{
	return time.tv_sec * 1e3 + time.tv_usec / 1e3;
}

int main(void)
{
	char root[4096];

	while (fgets(root, sizeof root, stdin) != NULL) {
		struct timespec start, end;
		struct rusage before, after;

		root[strcspn(root, "\n")] = 0;
		alive = removed = 0;
		getrusage(RUSAGE_SELF, &before);
		clock_gettime(CLOCK_MONOTONIC, &start);
		sweep(root);
		clock_gettime(CLOCK_MONOTONIC, &end);
		getrusage(RUSAGE_SELF, &after);
		printf("{\"ms\":%.4f,\"userMs\":%.3f,\"systemMs\":%.3f,\"alive\":%lu,\"removed\":%lu,\"peakKiB\":%ld}\n",
		       (end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6,
		       milliseconds(after.ru_utime) - milliseconds(before.ru_utime),
		       milliseconds(after.ru_stime) - milliseconds(before.ru_stime), alive, removed, after.ru_maxrss);
		fflush(stdout);
	}
	return 0;
}

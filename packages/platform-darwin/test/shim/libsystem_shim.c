/*
 * Serves the process calls of macOS's libSystem from Linux's procfs: real processes, in the layouts that LP64 XNU
 * documents (bsd/sys/proc_info.h, bsd/sys/sysctl.h, bsd/sys/proc.h). Serves the file calls that differ from Linux's,
 * too (bsd/sys/attr.h, bsd/sys/mount.h). Tests load it by its path. As on macOS, proc_pidinfo and proc_pidpath return 0
 * on failure and set errno. They check flavor, buffer, process and permission in this order. They find zombies only
 * with arg 1. Flavors 3 and 18 fail with EPERM for a process of another effective user. sysctl KERN_PROC_PID needs no
 * permission, finds zombies, and returns length 0 for a PID without a process. Values of errno are Darwin's.
 * shim_refuse and shim_tear don't exist on macOS. They simulate a policy or another kernel's answers. shim_volume,
 * shim_acl and shim_virtual_machine simulate features that Linux doesn't have.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { D_EPERM = 1, D_ENOENT = 2, D_ESRCH = 3, D_ENOMEM = 12, D_EINVAL = 22, D_ENOTSUP = 45, D_EOVERFLOW = 84 };
enum { SRUN = 2, SSLEEP = 3, SSTOP = 4, SZOMB = 5 };
enum { BSDINFO = 136, SHORTBSDINFO = 64, UNIQIDENTIFIERINFO = 56, KINFO_PROC = 648 };
enum { SHIM_SHORT = -1, SHIM_ALIEN = -2 };

/* Not every libc declares openat2(2). */
struct how { uint64_t flags, mode, resolve; };
#define OPENAT2 437
#define NO_SYMLINKS 4

#define PIDFS_MAGIC 0x50494446

struct process {
  int pid, ppid, pgid;
  uint32_t status;
  uint32_t uid, ruid, svuid, gid, rgid, svgid;
  uint64_t ticks;
  uint64_t start; /* microseconds since the epoch */
  char comm[16];
};

/* ---- refusals, set by tests ---- */

static struct { char call[32]; int answer; } refusals[16];
static int tears;

/* `answer`: an errno, SHIM_SHORT (8 bytes fewer), SHIM_ALIEN (data of another process), or 0 to answer truly again. */
EXPORT void shim_refuse(const char *call, int answer) {
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    if (refusals[i].call[0] != 0 && strcmp(refusals[i].call, call) != 0) continue;
    snprintf(refusals[i].call, sizeof refusals[i].call, "%s", call);
    refusals[i].answer = answer;
    return;
  }
}

/* Each of the next `times` reads of p_uniqueid returns another number. */
EXPORT void shim_tear(int times) { tears = times; }

static uint32_t volume_flags, volume_more;
static const char *volume_type = "";

/* Gives every file system these bits of f_flags and f_flags_ext, and this f_fstypename ("": its own). */
EXPORT void shim_volume(const char *type, uint32_t flags, uint32_t more) {
  static char kept[16];
  snprintf(kept, sizeof kept, "%s", type);
  volume_type = kept;
  volume_flags = flags;
  volume_more = more;
}

static struct { uint64_t dev, ino; uint32_t kind, rights; } lists[16];

EXPORT void shim_no_acls(void) { memset(lists, 0, sizeof lists); }

/* Gives a file an access control list of one entry. `kind`: 1 allows, 2 denies the rights. */
EXPORT int shim_acl(const char *path, uint32_t kind, uint32_t rights) {
  struct stat file;
  if (lstat(path, &file) != 0) return -1;
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    if (lists[i].rights != 0) continue;
    lists[i].dev = file.st_dev;
    lists[i].ino = file.st_ino;
    lists[i].kind = kind;
    lists[i].rights = rights;
    return 0;
  }
  return -1;
}

static struct { uint64_t dev, ino; uint32_t flags; } flagged[16];

enum { D_IMMUTABLE = 2, D_APPEND = 4 };

/* Returns where the flags of a file are kept. NULL: the file has none, and `add` is 0 or there is no room. */
static uint32_t *flags_of(const struct stat *file, int add) {
  for (size_t i = 0; i < sizeof flagged / sizeof *flagged; i++) {
    if (flagged[i].flags != 0 && flagged[i].dev == file->st_dev && flagged[i].ino == file->st_ino) return &flagged[i].flags;
  }
  for (size_t i = 0; add && i < sizeof flagged / sizeof *flagged; i++) {
    if (flagged[i].flags != 0) continue;
    flagged[i].dev = file->st_dev;
    flagged[i].ino = file->st_ino;
    return &flagged[i].flags;
  }
  return NULL;
}

/* Sets st_flags of a file, which no call but setattrlistat changes. */
EXPORT int shim_flags(const char *path, uint32_t flags) {
  struct stat file;
  if (lstat(path, &file) != 0) return -1;
  uint32_t *at = flags_of(&file, 1);
  if (at == NULL) return -1;
  *at = flags;
  return 0;
}

static int virtual_machine;

/* Sets the value of kern.hv_vmm_present. -1: the name doesn't exist. */
EXPORT void shim_virtual_machine(int present) { virtual_machine = present; }

static int refusal(const char *call) {
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    if (strcmp(refusals[i].call, call) == 0) return refusals[i].answer;
  }
  return 0;
}

/* ---- procfs ---- */

static ssize_t read_file(const char *path, char *buffer, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  size_t length = 0;
  ssize_t n = 0;
  while (length < size - 1 && (n = read(fd, buffer + length, size - 1 - length)) > 0) length += (size_t)n;
  close(fd);
  buffer[length] = 0;
  return n < 0 ? -1 : (ssize_t)length;
}

static uint64_t boot_time(void) {
  static uint64_t seconds;
  static char stat[1 << 20];
  if (seconds == 0 && read_file("/proc/stat", stat, sizeof stat) > 0) {
    const char *line = strstr(stat, "\nbtime ");
    if (line != NULL) seconds = strtoull(line + 7, NULL, 10);
  }
  return seconds;
}

static long status_field(const char *status, const char *name, int column) {
  const char *at = strstr(status, name);
  if (at == NULL) return -1;
  char *end = (char *)at + strlen(name);
  long value = -1;
  for (int i = 0; i <= column; i++) value = strtol(end, &end, 10);
  return value;
}

/* Returns 0, or -1 if no process has the PID. A Linux thread id is no PID. */
static int read_process(int pid, struct process *process) {
  char path[64], stat[4096], status[8192];
  if (pid <= 0) return -1;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  if (read_file(path, stat, sizeof stat) <= 0) return -1;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  if (read_file(path, status, sizeof status) <= 0) return -1;
  if (status_field(status, "\nTgid:", 0) != pid) return -1;

  const char *open = strchr(stat, '('), *close = strrchr(stat, ')');
  if (open == NULL || close == NULL) return -1;
  memset(process, 0, sizeof *process);
  process->pid = pid;
  size_t length = (size_t)(close - open - 1);
  memcpy(process->comm, open + 1, length < 15 ? length : 15);

  char state = 0;
  long threads = 0;
  unsigned long long ticks = 0;
  if (sscanf(close + 1, " %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %llu", &state,
             &process->ppid, &process->pgid, &threads, &ticks) != 5) {
    return -1;
  }
  /*
   * On Linux, a leader that exits before its threads is in state Z. On macOS such a process stays in a running state.
   */
  int exited = state == 'X' || (state == 'Z' && threads <= 1);
  process->status = exited ? SZOMB : state == 'R' ? SRUN : state == 'T' || state == 't' ? SSTOP : SSLEEP;
  process->ruid = (uint32_t)status_field(status, "\nUid:", 0);
  process->uid = (uint32_t)status_field(status, "\nUid:", 1);
  process->svuid = (uint32_t)status_field(status, "\nUid:", 2);
  process->rgid = (uint32_t)status_field(status, "\nGid:", 0);
  process->gid = (uint32_t)status_field(status, "\nGid:", 1);
  process->svgid = (uint32_t)status_field(status, "\nGid:", 2);
  process->ticks = ticks;
  uint64_t hertz = (uint64_t)sysconf(_SC_CLK_TCK);
  process->start = boot_time() * 1000000 + ticks * (1000000 / hertz);
  return 0;
}

/* Unique within a boot: the inode of the pidfd or, without pidfs, start time and PID. */
static uint64_t unique_id(const struct process *process) {
  uint64_t id = (process->ticks << 22) | (uint64_t)process->pid;
  int fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
  if (fd >= 0) {
    struct statfs fs;
    struct stat stat;
    if (fstatfs(fd, &fs) == 0 && fs.f_type == PIDFS_MAGIC && fstat(fd, &stat) == 0) id = stat.st_ino;
    close(fd);
  }
  return tears > 0 ? id + (uint64_t)tears-- : id;
}

/* ---- layouts ---- */

static void put32(uint8_t *buffer, size_t offset, uint32_t value) { memcpy(buffer + offset, &value, sizeof value); }
static void put64(uint8_t *buffer, size_t offset, uint64_t value) { memcpy(buffer + offset, &value, sizeof value); }

static void put_bsdinfo(uint8_t *buffer, const struct process *p) {
  put32(buffer, 4, p->status);
  put32(buffer, 12, (uint32_t)p->pid);
  put32(buffer, 16, (uint32_t)p->ppid);
  put32(buffer, 20, p->uid);
  put32(buffer, 24, p->gid);
  put32(buffer, 28, p->ruid);
  put32(buffer, 32, p->rgid);
  put32(buffer, 36, p->svuid);
  put32(buffer, 40, p->svgid);
  memcpy(buffer + 48, p->comm, 16);
  memcpy(buffer + 64, p->comm, 16);
  put32(buffer, 100, (uint32_t)p->pgid);
  put32(buffer, 108, UINT32_MAX);
  put64(buffer, 120, p->start / 1000000);
  put64(buffer, 128, p->start % 1000000);
}

static void put_shortbsdinfo(uint8_t *buffer, const struct process *p) {
  put32(buffer, 0, (uint32_t)p->pid);
  put32(buffer, 4, (uint32_t)p->ppid);
  put32(buffer, 8, (uint32_t)p->pgid);
  put32(buffer, 12, p->status);
  memcpy(buffer + 16, p->comm, 16);
  put32(buffer, 36, p->uid);
  put32(buffer, 40, p->gid);
  put32(buffer, 44, p->ruid);
  put32(buffer, 48, p->rgid);
  put32(buffer, 52, p->svuid);
  put32(buffer, 56, p->svgid);
}

static void put_uniqidentifierinfo(uint8_t *buffer, const struct process *p) {
  memset(buffer, 0xa5, 16);
  put64(buffer, 16, unique_id(p));
  put32(buffer, 32, (uint32_t)p->ticks);
}

static void put_kinfo_proc(uint8_t *buffer, const struct process *p) {
  put64(buffer, 0, p->start / 1000000);
  put32(buffer, 8, (uint32_t)(p->start % 1000000));
  buffer[36] = (uint8_t)p->status;
  put32(buffer, 40, (uint32_t)p->pid);
  put32(buffer, 44, (uint32_t)p->ppid);
  memcpy(buffer + 243, p->comm, 16);
  put32(buffer, 392, p->ruid);
  put32(buffer, 396, p->svuid);
  put32(buffer, 420, p->uid);
  put32(buffer, 560, (uint32_t)p->ppid);
  put32(buffer, 564, (uint32_t)p->pgid);
  put32(buffer, 572, UINT32_MAX);
}

/* ---- libproc ---- */

static int fail(int number, int result) {
  errno = number;
  return result;
}

EXPORT int proc_pidinfo(int pid, int flavor, uint64_t arg, void *out, int size) {
  char call[32];
  snprintf(call, sizeof call, "proc_pidinfo %d", flavor);
  int refused = refusal(call);
  if (refused > 0) return fail(refused, 0);

  int need = flavor == 3 ? BSDINFO : flavor == 13 ? SHORTBSDINFO : flavor == 17 ? UNIQIDENTIFIERINFO
           : flavor == 18 ? BSDINFO + UNIQIDENTIFIERINFO : 0;
  if (need == 0) return fail(D_EINVAL, 0);
  if (size < need) return fail(D_ENOMEM, 0);
  struct process process;
  if (read_process(refused == SHIM_ALIEN ? getpid() : pid, &process) != 0) return fail(D_ESRCH, 0);
  if (process.status == SZOMB && arg == 0) return fail(D_ESRCH, 0);
  if ((flavor == 3 || flavor == 18) && geteuid() != 0 && geteuid() != process.uid) return fail(D_EPERM, 0);

  uint8_t *buffer = out;
  memset(buffer, 0, (size_t)need);
  if (flavor == 3 || flavor == 18) put_bsdinfo(buffer, &process);
  if (flavor == 13) put_shortbsdinfo(buffer, &process);
  if (flavor == 17) put_uniqidentifierinfo(buffer, &process);
  if (flavor == 18) put_uniqidentifierinfo(buffer + BSDINFO, &process);
  return refused == SHIM_SHORT ? need - 8 : need;
}

EXPORT int proc_pidpath(int pid, void *out, uint32_t size) {
  int refused = refusal("proc_pidpath");
  if (refused > 0) return fail(refused, 0);
  if (size < 1024) return fail(D_ENOMEM, 0);
  if (size > 4096) return fail(D_EOVERFLOW, 0);
  struct process process;
  if (read_process(pid, &process) != 0 || process.status == SZOMB) return fail(D_ESRCH, 0);
  char link[64], target[PATH_MAX];
  snprintf(link, sizeof link, "/proc/%d/exe", pid);
  ssize_t length = readlink(link, target, sizeof target - 1);
  /*
   * On macOS, a process of another user has a path, too, which procfs refuses. A process without a text file is ESRCH
   * on macOS as well.
   */
  if (length < 0) return fail(errno == EACCES || errno == EPERM ? D_EPERM : D_ESRCH, 0);
  target[length] = 0;
  struct stat running, named;
  if (stat(target, &named) != 0 || stat(link, &running) != 0 || running.st_ino != named.st_ino) return fail(D_ENOENT, 0);
  if ((size_t)length >= size) return fail(D_ENOMEM, 0);
  memcpy(out, target, (size_t)length);
  return (int)length;
}

/* ---- sysctl ---- */

EXPORT int sysctl(int *name, unsigned int count, void *out, size_t *length, void *value, size_t size) {
  (void)value;
  (void)size;
  int refused = refusal("sysctl");
  if (refused > 0) return fail(refused, -1);
  if (count != 4 || name[0] != 1 || name[1] != 14) return fail(D_EINVAL, -1);
  if (name[2] != 1) return fail(D_ENOTSUP, -1);
  struct process process;
  int missing = read_process(refused == SHIM_ALIEN ? getpid() : name[3], &process);
  if (out == NULL) { /* asked for the size: five records more than there are */
    *length = KINFO_PROC * (missing ? 5 : 6);
    return 0;
  }
  if (missing) {
    *length = 0;
    return 0;
  }
  if (*length < KINFO_PROC) return fail(D_ENOMEM, -1);
  memset(out, 0, KINFO_PROC);
  put_kinfo_proc(out, &process);
  *length = refused == SHIM_SHORT ? KINFO_PROC - 8 : KINFO_PROC;
  return 0;
}

EXPORT int sysctlbyname(const char *name, void *out, size_t *length, void *value, size_t size) {
  (void)value;
  (void)size;
  int refused = refusal("sysctlbyname");
  if (refused > 0) return fail(refused, -1);
  if (strcmp(name, "kern.hv_vmm_present") == 0 && virtual_machine >= 0) {
    if (*length < sizeof virtual_machine) return fail(D_ENOMEM, -1);
    memcpy(out, &virtual_machine, sizeof virtual_machine);
    *length = sizeof virtual_machine;
    return 0;
  }
  if (strcmp(name, "kern.boottime") == 0) {
    if (*length < 16) return fail(D_ENOMEM, -1);
    memset(out, 0, 16);
    put64(out, 0, boot_time());
    *length = 16;
    return 0;
  }
  char id[64];
  if (strcmp(name, "kern.bootsessionuuid") != 0) return fail(D_ENOENT, -1);
  if (read_file("/proc/sys/kernel/random/boot_id", id, sizeof id) < 36) return fail(D_ENOENT, -1);
  if (*length < 37) return fail(D_ENOMEM, -1);
  for (int i = 0; i < 36; i++) ((char *)out)[i] = (char)(id[i] >= 'a' ? id[i] - 32 : id[i]);
  ((char *)out)[36] = 0;
  *length = 37;
  return 0;
}

/* ---- host ---- */

EXPORT int gethostuuid(uint8_t *out, const void *wait) {
  (void)wait;
  int refused = refusal("gethostuuid");
  if (refused > 0) return fail(refused, -1);
  char id[64] = "";
  unsigned int byte;
  read_file("/etc/machine-id", id, sizeof id);
  for (int i = 0; i < 16; i++) out[i] = sscanf(id + 2 * i, "%2x", &byte) == 1 ? (uint8_t)byte : (uint8_t)(i + 1);
  return 0;
}

/* ---- files ---- */

/* The shim exports these under glibc's names, so its own code must not call the functions by these names. */
EXPORT int d_openat(int fd, const char *path, int flags, int mode) __asm__("openat");
EXPORT int d_unlinkat(int fd, const char *path, int flags) __asm__("unlinkat");
EXPORT int d_renameat(int fd, const char *from, int to_fd, const char *to) __asm__("renameat");
EXPORT int d_flock(int fd, int operation) __asm__("flock");
EXPORT int d_fcntl(int fd, int command, long argument) __asm__("fcntl");
EXPORT int d_statfs(const char *path, uint8_t *out) __asm__("statfs$INODE64");
EXPORT int d_fstatfs(int fd, uint8_t *out) __asm__("fstatfs$INODE64");
EXPORT int d_getfsstat(uint8_t *out, int size, int flags) __asm__("getfsstat$INODE64");

enum { D_EAGAIN = 35, D_ELOOP = 62, D_ENAMETOOLONG = 63, D_ENOTEMPTY = 66, D_ESTALE = 70, D_ENOSYS = 78 };
enum { D_AT_FDCWD = -2, D_AT_REMOVEDIR = 0x80, D_CLOEXEC = 0x1000000, D_NOFOLLOW_ANY = 0x20000000 };
enum { STATFS = 2168, MNT_LOCAL = 0x1000 };

/* Errno 1 to 34 are equal on Linux and Darwin. */
static int darwin_errno(int number) {
  switch (number) {
    case EAGAIN: return D_EAGAIN;
    case ELOOP: return D_ELOOP;
    case ENAMETOOLONG: return D_ENAMETOOLONG;
    case ENOTEMPTY: return D_ENOTEMPTY;
    case ESTALE: return D_ESTALE;
    case ENOSYS: return D_ENOSYS;
    case EOPNOTSUPP: return D_ENOTSUP;
    default: return number;
  }
}

static int answered(long result) {
  if (result < 0) errno = darwin_errno(errno);
  return (int)result;
}

static int at(int fd) { return fd == D_AT_FDCWD ? AT_FDCWD : fd; }

/* Node has no names for Darwin's CLOEXEC and NOFOLLOW_ANY. All other flags arrive as Linux's. */
EXPORT int d_openat(int fd, const char *path, int flags, int mode) {
  int refused = refusal("openat");
  if (refused > 0) return fail(refused, -1);
  struct how how = {(uint64_t)(flags & ~(D_CLOEXEC | D_NOFOLLOW_ANY)), (uint64_t)(flags & O_CREAT ? mode : 0), 0};
  if (flags & D_CLOEXEC) how.flags |= O_CLOEXEC;
  if (flags & D_NOFOLLOW_ANY) how.resolve |= NO_SYMLINKS;
  return answered(syscall(OPENAT2, at(fd), path, &how, sizeof how));
}

/* Whether a flag forbids the removal of a file, or of any file in a directory. */
static int is_kept(int fd, const char *path) {
  struct stat file;
  uint32_t *flags;
  if (fstatat(at(fd), path, &file, path[0] == 0 ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW) != 0) return 0;
  flags = flags_of(&file, 0);
  return flags != NULL && (*flags & (D_IMMUTABLE | D_APPEND)) != 0;
}

EXPORT int d_unlinkat(int fd, const char *path, int flags) {
  int refused = refusal("unlinkat");
  if (refused > 0) return fail(refused, -1);
  if (is_kept(fd, path) || (path[0] != '/' && is_kept(fd, ""))) return fail(D_EPERM, -1);
  if (flags & ~D_AT_REMOVEDIR) return fail(D_EINVAL, -1);
  long result = syscall(SYS_unlinkat, at(fd), path, flags == 0 ? 0 : AT_REMOVEDIR);
  return result < 0 && errno == EISDIR ? fail(D_EPERM, -1) : answered(result);
}

static int renamed(int fd, const char *from, int to_fd, const char *to, unsigned int flags) {
  if (is_kept(fd, from)) return fail(D_EPERM, -1);
  return answered(syscall(SYS_renameat2, at(fd), from, at(to_fd), to, flags));
}

EXPORT int d_renameat(int fd, const char *from, int to_fd, const char *to) { return renamed(fd, from, to_fd, to, 0); }

EXPORT int renameatx_np(int fd, const char *from, int to_fd, const char *to, unsigned int flags) {
  int refused = refusal("renameatx_np");
  if (refused > 0) return fail(refused, -1);
  if (flags != 4) return fail(D_EINVAL, -1);
  return renamed(fd, from, to_fd, to, 1);
}

EXPORT int d_flock(int fd, int operation) {
  int refused = refusal("flock");
  if (refused > 0) return fail(refused, -1);
  return answered(syscall(SYS_flock, fd, operation));
}

static int try_lock(int fd, int operation) { return (int)syscall(SYS_flock, fd, operation | LOCK_NB); }

/*
 * On macOS, F_GETLK reports the flock(2) lock of a file, too. Linux keeps flock(2) and fcntl(2) locks apart, so the
 * shim tries to take the lock through an open file of its own.
 */
static int get_lock(int fd, uint8_t *lock) {
  /* A file system without such locks refuses both calls. */
  int refused = refusal("F_GETLK") > 0 ? refusal("F_GETLK") : refusal("flock");
  if (refused > 0) return fail(refused, -1);
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int own = open(link, O_RDONLY | O_CLOEXEC);
  if (own < 0) return answered(-1);
  int16_t type = try_lock(own, LOCK_SH) != 0 ? 3 : try_lock(own, LOCK_EX) != 0 ? 1 : 2;
  close(own);
  int32_t pid = -1;
  memcpy(lock + 16, &pid, sizeof pid);
  memcpy(lock + 20, &type, sizeof type);
  return 0;
}

static int get_path(int fd, char *out) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, out, 1023);
  if (length >= 0) out[length] = 0;
  return length < 0 ? answered(-1) : 0;
}

EXPORT int d_fcntl(int fd, int command, long argument) {
  if (command == 7) return get_lock(fd, (uint8_t *)argument);
  if (command == 50) return get_path(fd, (char *)argument);
  return fail(D_EINVAL, -1);
}

/* Answers names and types only. With FSOPT_PACK_INVAL_ATTRS, an attribute that an entry lacks still takes its space. */
EXPORT int getattrlistbulk(int fd, const uint32_t *list, uint8_t *out, size_t size, uint64_t options) {
  int refused = refusal("getattrlistbulk");
  if (refused > 0) return fail(refused, -1);
  if (list[0] != 5 || list[1] != 0xa0000009 || options != 8) return fail(D_EINVAL, -1);
  uint8_t from[4096];
  int count = 0;
  /*
   * A packed entry is at most 28 bytes longer than its Linux record, which has at least 24 bytes. So the buffer holds
   * one full read.
   */
  if (size < 4 * sizeof from) return fail(D_EINVAL, -1);
  while (count == 0) {
    long length = syscall(SYS_getdents64, fd, from, sizeof from);
    if (length <= 0) return answered(length);
    for (long offset = 0; offset < length;) {
      uint16_t record;
      memcpy(&record, from + offset + 16, sizeof record);
      uint8_t type = from[offset + 18];
      const char *name = (const char *)from + offset + 19;
      offset += record;
      if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
      uint32_t bytes = (uint32_t)strlen(name) + 1, total = (40 + bytes + 7) / 8 * 8;
      memset(out, 0, total);
      put32(out, 0, total);
      put32(out, 4, type == 0 ? 0x80000001 : 0x80000009);
      put32(out, 28, 12);
      put32(out, 32, bytes);
      put32(out, 36, type == 4 ? 2 : type == 8 ? 1 : type == 10 ? 5 : type == 0 ? 0 : 6);
      memcpy(out + 40, name, bytes);
      if (refused == SHIM_ALIEN) put32(out, 32, total);
      out += total;
      count++;
    }
  }
  return count;
}

/* `file` and `fs`: Linux's answers about the file. `real`: its real path. */
static int put_statfs(const struct statfs *fs, const struct stat *file, const char *real, uint8_t *out) {
  memset(out, 0, STATFS);
  put32(out, 0, (uint32_t)fs->f_bsize);
  put32(out, 48, (uint32_t)file->st_dev);
  put32(out, 52, 26);
  int local = fs->f_type == 0xef53 || fs->f_type == 0x01021994 || fs->f_type == 0x794c7630;
  put32(out, 64, (local ? MNT_LOCAL : 0) | volume_flags);
  snprintf((char *)out + 72, 16, "%s", volume_type[0] != 0 ? volume_type : local ? "apfs" : "nfs");
  put32(out, 2136, volume_more);
  FILE *mounts = setmntent("/proc/self/mounts", "r");
  if (mounts == NULL) return answered(-1);
  size_t longest = 0;
  for (struct mntent *mount; (mount = getmntent(mounts)) != NULL;) {
    size_t length = strlen(mount->mnt_dir);
    int root = strcmp(mount->mnt_dir, "/") == 0;
    int above = strncmp(mount->mnt_dir, real, length) == 0 && (root || real[length] == '/' || real[length] == 0);
    if (!above || length < longest) continue;
    longest = length;
    snprintf((char *)out + 88, 1024, "%s", mount->mnt_dir);
  }
  endmntent(mounts);
  return 0;
}

EXPORT int d_statfs(const char *path, uint8_t *out) {
  int refused = refusal("statfs");
  if (refused > 0) return fail(refused, -1);
  struct statfs fs;
  struct stat file;
  char real[PATH_MAX];
  if (statfs(path, &fs) != 0 || stat(path, &file) != 0 || realpath(path, real) == NULL) return answered(-1);
  return put_statfs(&fs, &file, real, out);
}

EXPORT int d_fstatfs(int fd, uint8_t *out) {
  int refused = refusal("fstatfs");
  if (refused > 0) return fail(refused, -1);
  struct statfs fs;
  struct stat file;
  char real[1024];
  if (fstatfs(fd, &fs) != 0 || fstat(fd, &file) != 0 || get_path(fd, real) != 0) return answered(-1);
  return put_statfs(&fs, &file, real, out);
}

/* Answers names and types alone, and asks no file system. */
EXPORT int d_getfsstat(uint8_t *out, int size, int flags) {
  (void)flags;
  int refused = refusal("getfsstat");
  if (refused > 0) return fail(refused, -1);
  FILE *mounts = setmntent("/proc/self/mounts", "r");
  if (mounts == NULL) return answered(-1);
  int count = 0;
  for (struct mntent *mount; (mount = getmntent(mounts)) != NULL;) {
    if (out != NULL) {
      if ((count + 1) * STATFS > size) break;
      uint8_t *at = out + count * STATFS;
      memset(at, 0, STATFS);
      snprintf((char *)at + 72, 16, "%s", mount->mnt_type);
      snprintf((char *)at + 88, 1024, "%s", mount->mnt_dir);
    }
    count++;
  }
  endmntent(mounts);
  return count;
}

/* Answers a volume UUID that is made of the device number. */
EXPORT int fgetattrlist(int fd, const uint32_t *list, uint8_t *out, size_t size, unsigned int options) {
  int refused = refusal("fgetattrlist");
  if (refused > 0) return fail(refused, -1);
  if (list[0] != 5 || list[1] != 0x80000000 || list[2] != 0x80040000 || size < 40 || options != 0) return fail(D_EINVAL, -1);
  struct stat file;
  if (fstat(fd, &file) != 0) return answered(-1);
  memset(out, 0, 40);
  put32(out, 0, refused == SHIM_SHORT ? 24 : 40);
  put32(out, 4, 0x80000000);
  put32(out, 8, refused == SHIM_ALIEN ? 0x80000000 : 0x80040000);
  memcpy(out + 24, "volume..", 8);
  put64(out, 32, file.st_dev);
  return 0;
}

/* Answers the data that show whether a user may change a file. */
EXPORT int getattrlistat(int fd, const char *path, const uint32_t *list, uint8_t *out, size_t size, uint64_t options) {
  int refused = refusal("getattrlistat");
  if (refused > 0) return fail(refused, -1);
  if (list[0] != 5 || list[1] != 0x8006800a || size < 44 || options != 1) return fail(D_EINVAL, -1);
  struct stat file;
  if (fstatat(at(fd), path, &file, AT_SYMLINK_NOFOLLOW) != 0) return answered(-1);
  uint32_t *flags = flags_of(&file, 0);
  memset(out, 0, 44);
  put32(out, 0, 44);
  put32(out, 4, refused == SHIM_ALIEN ? 0x80000000 : 0x8006800a);
  put32(out, 24, (uint32_t)file.st_dev);
  put32(out, 28, S_ISREG(file.st_mode) ? 1 : S_ISDIR(file.st_mode) ? 2 : S_ISLNK(file.st_mode) ? 5 : 6);
  put32(out, 32, file.st_uid);
  put32(out, 36, file.st_mode);
  put32(out, 40, flags == NULL ? 0 : *flags);
  return 0;
}

/* Sets the mode or the flags of a file, for its owner and for root. */
EXPORT int setattrlistat(int fd, const char *path, const uint32_t *list, const uint8_t *in, size_t size, uint32_t options) {
  int refused = refusal("setattrlistat");
  if (refused > 0) return fail(refused, -1);
  if (list[0] != 5 || (list[1] != 0x20000 && list[1] != 0x40000) || size != 4 || options != 1) return fail(D_EINVAL, -1);
  struct how how = {O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, 0};
  struct stat file;
  uint32_t value;
  memcpy(&value, in, sizeof value);
  int entry = (int)syscall(OPENAT2, at(fd), path, &how, sizeof how);
  if (entry < 0) return answered(-1);
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", entry);
  int result = fstat(entry, &file);
  uint32_t *flags = result == 0 ? flags_of(&file, list[1] == 0x40000 && value != 0) : NULL;
  if (result == 0 && geteuid() != 0 && geteuid() != file.st_uid) result = fail(D_EPERM, -1);
  else if (result == 0 && list[1] == 0x40000 && flags != NULL) *flags = value;
  else if (result == 0 && list[1] == 0x20000) {
    if (flags != NULL && (*flags & (D_IMMUTABLE | D_APPEND)) != 0) result = fail(D_EPERM, -1);
    else result = answered(chmod(link, value & 07777));
  }
  close(entry);
  return result;
}

/* Answers an attrreference_t and then, if the file has an access control list, a kauth_filesec. */
EXPORT int getattrlist(const char *path, const uint32_t *list, uint8_t *out, size_t size, unsigned int options) {
  int refused = refusal("getattrlist");
  if (refused > 0) return fail(refused, -1);
  if (list[0] != 5 || list[1] != 0x80400000 || list[2] != 0 || size < 100 || options != 1) return fail(D_EINVAL, -1);
  struct stat file;
  if (lstat(path, &file) != 0) return answered(-1);
  memset(out, 0, 100);
  put32(out, 0, 24);
  put32(out, 4, 0x80000000);
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    if (lists[i].rights == 0 || lists[i].dev != file.st_dev || lists[i].ino != file.st_ino) continue;
    put32(out, 0, 100);
    put32(out, 4, 0x80400000);
    put32(out, 24, 8);
    put32(out, 28, 68);
    put32(out, 32, refused == SHIM_ALIEN ? 0 : 0x012cc16d);
    put32(out, 32 + 36, 1);
    put32(out, 32 + 44 + 16, lists[i].kind);
    put32(out, 32 + 44 + 20, lists[i].rights);
  }
  return 0;
}

/*
 * churn PID UID: gives PID to child after child. Each child exits at once and is reaped. Run two of them as two
 * executables with two uids. Then every process with this PID belongs to one of them, since a child has its parent's
 * name, executable and uid from the start.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void become(uid_t uid) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  if (prctl(PR_SET_KEEPCAPS, 1) != 0 || setresuid(uid, uid, uid) != 0) exit(2);
  if (syscall(SYS_capget, &header, data) != 0) exit(3);
  data[0].effective = data[0].permitted;
  data[1].effective = data[1].permitted;
  if (syscall(SYS_capset, &header, data) != 0) exit(4);
  prctl(PR_SET_DUMPABLE, 1);
}

int main(int count, char **values) {
  char text[16];
  if (count != 3) return 1;
  pid_t wanted = atoi(values[1]);
  become((uid_t)atoi(values[2]));
  int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
  if (last < 0) return 5;
  int length = snprintf(text, sizeof text, "%d", wanted - 1);
  prctl(PR_SET_PDEATHSIG, 9);
  puts("ready");
  fflush(stdout);
  for (unsigned turn = 0;; turn++) {
    if (pwrite(last, text, (size_t)length, 0) < 0) return 6;
    pid_t child = fork();
    if (child == 0) {
      if (getpid() == wanted)
        for (unsigned pause = 0; pause < turn % 4; pause++) sched_yield();
      _exit(0);
    }
    if (child > 0) waitpid(child, NULL, 0);
  }
}

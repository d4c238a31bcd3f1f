/*
 * `filler DIRECTORY` makes directories in DIRECTORY, through a descriptor, until a call fails or it is killed. Prints a
 * line after 1001 directories.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int count, char **arguments) {
  int directory = count == 2 ? open(arguments[1], O_RDONLY | O_DIRECTORY) : -1;
  char name[32];

  if (directory < 0) return 2;
  for (unsigned long made = 0;; made++) {
    snprintf(name, sizeof(name), "d%d-%lu", (int)getpid(), made);
    if (mkdirat(directory, name, 0755) != 0) return 0;
    if (made == 1000 && write(1, "begun\n", 6) != 6) return 1;
  }
}

"""Runs a command in a terminal of its own: terminal.py COLUMNS ANSWER COMMAND...

Types ANSWER once it is asked "[y/N]". Prints all that the terminal shows. Ends with the command's exit code, or with 128
plus the number of the signal that ended it.
"""

import fcntl
import os
import pty
import struct
import sys
import termios

columns, answer, command = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]
size = struct.pack("HHHH", 24, columns, 0, 0)
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, size)
    os.execvp(command[0], command)

shown = b""
is_asked = False
while True:
    try:
        some = os.read(terminal, 65536)
    except OSError:  # Linux: EIO once the command has closed its side.
        break
    if not some:
        break
    shown += some
    if not is_asked and b"[y/N]" in shown:
        is_asked = True
        os.write(terminal, answer)

_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(shown)
sys.stdout.flush()
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)

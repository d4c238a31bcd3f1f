/**
 * All modules of this package except those for tests, as namespaces. A module for tests has a path of its own.
 *
 * @since 0.1.0
 */

/**
 * An interface of the system calls of the inspector, with which tests produce every answer of a kernel.
 *
 * @since 0.1.0
 */
export * as Kernel from "./Kernel.ts"

/**
 * A `Disk` for Linux: deletion by descriptor, names as bytes, and most calls synchronous.
 *
 * @since 0.1.0
 */
export * as LinuxDisk from "./LinuxDisk.ts"

/**
 * Which native code the Layers of Linux use, and why a part of it is missing.
 *
 * @since 0.1.0
 */
export * as LinuxNativeCode from "./LinuxNativeCode.ts"

/**
 * `ProcessInspector` for Linux, by procfs and, if native code can be loaded, by the 64-bit process id of pidfs. Its
 * Layers also search the whole kernel for processes of other PID namespaces.
 *
 * @since 0.1.0
 */
export * as LinuxProcessInspector from "./LinuxProcessInspector.ts"

/**
 * The sentinel store of Linux.
 *
 * @since 0.1.0
 */
export * as LinuxSentinelStore from "./LinuxSentinelStore.ts"

/**
 * Opens a mount without the mounts on top of it, by `open_tree(2)`. Needs Linux 5.2 and `CAP_SYS_ADMIN`.
 *
 * @since 0.1.0
 */
export * as OpenTree from "./OpenTree.ts"

/**
 * Reaps the processes that this process inherited. The first process of a PID namespace becomes the parent of each
 * orphan in it that has no subreaper (`PR_SET_CHILD_SUBREAPER`). An orphan that has ended stays a zombie until its
 * parent waits for it (`wait(2)`, `pid_namespaces(7)`).
 *
 * @since 0.1.0
 */
export * as Orphans from "./Orphans.ts"

/**
 * Process file descriptors, `pidfd_open(2)`. On pidfs the inode of a descriptor is the process's 64-bit id.
 *
 * @since 0.1.0
 */
export * as Pidfd from "./Pidfd.ts"

/**
 * Parser of `/proc/<pid>/stat`. Works on bytes.
 *
 * @since 0.1.0
 */
export * as ProcStat from "./ProcStat.ts"

/**
 * Parser of `/proc/<pid>/status`. Works on bytes.
 *
 * @since 0.1.0
 */
export * as ProcStatus from "./ProcStatus.ts"

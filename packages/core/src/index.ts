/**
 * All modules of this package except those for tests, as namespaces. A module for tests has a path of its own.
 *
 * @since 0.1.0
 */

/**
 * Programs that judge VM directories and remove those whose owners are all provably gone. Each outcome names its
 * reason.
 *
 * @since 0.1.0
 */
export * as Cleanup from "./Cleanup.ts"

/**
 * `Condemned`, the right to remove one directory. Every removal of a VM directory requires one. Only a judgement creates
 * a `Condemned`.
 *
 * @since 0.1.0
 */
export * as Condemned from "./Condemned.ts"

/**
 * The system calls that `TreeRemoval` needs. A platform that can make all of these calls removes trees by descriptor.
 *
 * @since 0.1.0
 */
export * as DirectoryCalls from "./DirectoryCalls.ts"

/**
 * Compares the directory in which a record was made with the one in which the record lies, by file system, mount,
 * inode, birth time and sentinel file. Pure.
 *
 * @since 0.1.0
 */
export * as DirectoryFrame from "./DirectoryFrame.ts"

/**
 * The sentinels of one directory, read once, and the comparisons that show whether the directory has changed since.
 *
 * @since 0.1.0
 */
export * as DirectoryState from "./DirectoryState.ts"

/**
 * `Disk`: the file-system calls that a `SentinelStore` is built from. A platform that can make these calls safely has a
 * store.
 *
 * @since 0.1.0
 */
export * as Disk from "./Disk.ts"

/**
 * Files, directories and locks, as a `Disk` describes them.
 *
 * @since 0.1.0
 */
export * as DiskModel from "./DiskModel.ts"

/**
 * Errors of system calls, identified by the name of the errno. Errors of `node:fs` have that name as `code`.
 *
 * @since 0.1.0
 */
export * as Errno from "./Errno.ts"

/**
 * Errors of the services and programs of this library, except `DiskError`. Each names the path or the PID that it is
 * about.
 *
 * @since 0.1.0
 */
export * as Errors from "./Errors.ts"

/**
 * Evidence of a judgement: each datum that was compared, with the recorded and the observed value.
 *
 * @since 0.1.0
 */
export * as Evidence from "./Evidence.ts"

/**
 * Identity of a file on one kernel, as long as the file exists.
 *
 * @since 0.1.0
 */
export * as FileId from "./FileId.ts"

/**
 * The portable `Disk`, over `effect/FileSystem`. It works by path, and is only as safe as the directories above each
 * path. A sweep's workspace has mode 0700 for that reason. `LinuxDisk`, and `DarwinDisk` with koffi, remove trees by
 * descriptor.
 *
 * @since 0.1.0
 */
export * as FileSystemDisk from "./FileSystemDisk.ts"

/**
 * The owner and the file system of a root, and whether the root can be changed.
 *
 * @since 0.1.0
 */
export * as Ground from "./Ground.ts"

/**
 * Everything that the judgement of a directory depends on, as one value that can be recorded and judged again.
 *
 * @since 0.1.0
 */
export * as JudgeInputs from "./JudgeInputs.ts"

/**
 * The judgement of a whole directory. It is a pure function, so a program can judge recorded inputs again. A decision
 * alone grants no right to delete.
 *
 * @since 0.1.0
 */
export * as Judgement from "./Judgement.ts"

/**
 * `Layout` says which files of a directory a sweep reads as sentinels.
 *
 * @since 0.1.0
 */
export * as Layout from "./Layout.ts"

/**
 * What a probe of a directory's lock can answer.
 *
 * @since 0.1.0
 */
export * as LockState from "./LockState.ts"

/**
 * The mount table, as `proc_pid_mountinfo(5)` gives it: where other file systems begin, and where each mount lies on
 * the file system below it. Reading the table touches no mounted file system. A call to a file system that doesn't
 * answer never ends.
 *
 * @since 0.1.0
 */
export * as Mounts from "./Mounts.ts"

/**
 * The native code that a platform's package has loaded. Native code is optional. Without it, some answers take longer,
 * and some are missing.
 *
 * @since 0.1.0
 */
export * as NativeCode from "./NativeCode.ts"

/**
 * The kernel's current answer about a PID.
 *
 * @since 0.1.0
 */
export * as Observation from "./Observation.ts"

/**
 * The lines of `--json`: one outcome for each directory, and the summary of a sweep.
 *
 * @since 0.1.0
 */
export * as Outcome from "./Outcome.ts"

/**
 * Publishes the sentinel of a process in a directory, and never replaces the sentinel of another owner that isn't
 * provably gone.
 *
 * @since 0.1.0
 */
export * as Ownership from "./Ownership.ts"

/**
 * Options, results and errors of `Ownership`.
 *
 * @since 0.1.0
 */
export * as OwnershipModel from "./OwnershipModel.ts"

/**
 * Searches all processes of the kernel for a recorded process whose PID the reader can't look up.
 *
 * @since 0.1.0
 */
export * as PidNamespaces from "./PidNamespaces.ts"

/**
 * Data that distinguish one process from every other process, and data of a host that show whether two such identities
 * can be compared.
 *
 * @since 0.1.0
 */
export * as ProcessIdentity from "./ProcessIdentity.ts"

/**
 * The service that asks the kernel about processes.
 *
 * @since 0.1.0
 */
export * as ProcessInspector from "./ProcessInspector.ts"

/**
 * Predicts what a sweep of a root can prove. Judges records that don't exist, with the functions of a sweep, and by the
 * present answers of this kernel and this file system.
 *
 * @since 0.1.0
 */
export * as Prospect from "./Prospect.ts"

/**
 * Options for the publication of a sentinel.
 *
 * @since 0.1.0
 */
export * as Publication from "./Publication.ts"

/**
 * All reasons of judgements, and all reasons for keeping a directory.
 *
 * @since 0.1.0
 */
export * as Reason from "./Reason.ts"

/**
 * Removal of condemned directories from a root: claim, judge again, mark, delete.
 *
 * @since 0.1.0
 */
export * as Reclaimer from "./Reclaimer.ts"

/**
 * A root, which is a directory of VM directories, and the entries in it.
 *
 * @since 0.1.0
 */
export * as Root from "./Root.ts"

/**
 * Collects the names that a `Disk.scan` has to read or to report, in bounded memory. For implementations of `Disk`.
 *
 * @since 0.1.0
 */
export * as ScanNames from "./ScanNames.ts"

/**
 * The sentinel: the file in a directory that names the directory's owner. One parser reads three formats. Each format
 * has one line more than the one before.
 *
 * ```text
 * <pid>                               v1
 * /absolute/path/of/executable        v2
 * {"v":3,"nonce":…,"startTime":…,…}   v3
 * ```
 *
 * @since 0.1.0
 */
export * as Sentinel from "./Sentinel.ts"

/**
 * Names of files and directories that this library reads, writes, or recognises as those of another tool.
 *
 * @since 0.1.0
 */
export * as SentinelName from "./SentinelName.ts"

/**
 * The third line of a v3 sentinel.
 *
 * @since 0.1.0
 */
export * as SentinelRecord from "./SentinelRecord.ts"

/**
 * Sentinels on disk: reads and publishes them, and removes condemned directories.
 *
 * @since 0.1.0
 */
export * as SentinelStore from "./SentinelStore.ts"

/**
 * Runs long synchronous work in slices of 1 ms. Between two slices the event loop runs, and the fiber can be
 * interrupted.
 *
 * @since 0.1.0
 */
export * as Slices from "./Slices.ts"

/**
 * Removes a directory and all below it by descriptors, on every platform that has `DirectoryCalls`.
 *
 * @since 0.1.0
 */
export * as TreeRemoval from "./TreeRemoval.ts"

/**
 * Whether a file can be believed, judged by the users that could have written or replaced it. Pure.
 *
 * @since 0.1.0
 */
export * as Trust from "./Trust.ts"

/**
 * The judgement of one owner, which says whether the process that a sentinel names still lives. Pure. Never throws.
 *
 * @since 0.1.0
 */
export * as Verdict from "./Verdict.ts"

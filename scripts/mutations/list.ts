/** Mutations of the sources. Each removes the ground of one safety argument, and names the tests that must fail. */

export interface Edit {
  readonly file: string
  /** A text that occurs in the file exactly once. */
  readonly from: string
  readonly to: string
}

export interface Mutation {
  readonly name: string
  readonly what: string
  readonly edits: ReadonlyArray<Edit>
  /** Paths of the test files. */
  readonly tests: ReadonlyArray<string>
  /** Pattern of test names. Only the tests of these files whose names match are run. */
  readonly only?: string
}

const core = (name: string) => `packages/core/src/${name}.ts`
const coreTest = (name: string) => `packages/core/test/${name}.test.ts`
const linux = (name: string) => `packages/platform-linux/src/internal/${name}.ts`
const cli = (name: string) => `packages/cli/src/${name}.ts`
const cliTest = (name: string) => `packages/cli/test/${name}.test.ts`
const frames = (name: string) => `packages/cli/test/frames/${name}.slow.test.ts`

export const mutations: ReadonlyArray<Mutation> = [
  {
    name: "mount-by-path",
    what: "a mount counts only where the given path shows it",
    edits: [
      { file: core("Mounts"), from: "table.insidePlace.size === 0 ? undefined : locate(table, path)", to: "undefined" }
    ],
    tests: [coreTest("Mounts")],
    only: "scenario 95"
  },
  {
    name: "mount-judged",
    what: "a mount below doesn't keep what would be condemned",
    edits: [
      {
        file: core("Judgement"),
        from: `if (finding.verdict !== "dead" || observed === undefined) return finding`,
        to: "return finding"
      }
    ],
    tests: [coreTest("Judgement")],
    only: "scenario 82"
  },
  {
    name: "crowded-judged",
    what: "a directory with too many sentinels is judged by those that were read",
    edits: [{ file: core("Judgement"), from: "if (crowded !== undefined) {", to: "if (crowded === 0) {" }],
    tests: [coreTest("Judgement")],
    only: "scenario 84"
  },
  {
    name: "directory-frame",
    what: "the directory frame ignored: every record counts as bound",
    edits: [
      {
        file: core("internal/judgement/standing"),
        from: `if (binding !== "different" || assumeMoved.trim() === "") return binding`,
        to: `if (assumeMoved.trim() === "") return "bound"`
      }
    ],
    tests: [coreTest("VerdictDirectory"), frames("copies")],
    only: "scenario 78"
  },
  {
    name: "file-inode",
    what: "the inode of the sentinel itself not compared",
    edits: [
      {
        file: core("internal/judgement/standing"),
        from: "compareDirectories(record.directory, frame, file, compare(record.bootId, host.bootId))",
        to: "compareDirectories(record.directory, frame, record.directory?.file, compare(record.bootId, host.bootId))"
      }
    ],
    tests: [coreTest("VerdictDirectory"), frames("copies")],
    only: "scenario 78a"
  },
  {
    name: "lock-unprobed",
    what: "a lock that can't be probed taken for free",
    edits: [
      {
        file: core("Verdict"),
        from: `record.lock !== undefined && lockState === "unknown"`,
        to: `record.lock !== undefined && lockState === undefined`
      }
    ],
    tests: [coreTest("VerdictLock"), frames("lock")],
    only: "scenario 68"
  },
  {
    name: "lock-free-shared",
    what: "free believed on a shared file system",
    edits: [
      {
        file: core("internal/judgement/standing"),
        from: `binding === "bound" && oneKernel && origin.boot !== undefined`,
        to: `binding === "bound" && origin.boot !== undefined`
      }
    ],
    tests: [coreTest("VerdictLock"), coreTest("VerdictTruth.slow")]
  },
  {
    name: "lock-free-unbound",
    what: "free believed in a directory that isn't known to be the record's own",
    edits: [
      {
        file: core("internal/judgement/standing"),
        from: `binding === "bound" && oneKernel && origin.boot !== undefined`,
        to: `oneKernel && origin.boot !== undefined`
      }
    ],
    tests: [coreTest("VerdictLock"), coreTest("VerdictDirectory")]
  },
  {
    name: "lock-free-inherited",
    what: "a free lock proves the death of a command that was started with it",
    edits: [
      {
        file: core("internal/judgement/standing"),
        from: `(lock.holder === "self" || known === "inherited")`,
        to: `(lock.holder === "self" || known !== undefined)`
      }
    ],
    tests: [coreTest("VerdictLock"), frames("lock")],
    only: "scenario 65"
  },
  {
    name: "namespace-number",
    what: "PID namespaces known by their numbers alone",
    edits: [
      {
        file: core("internal/judgement/standing"),
        from: `if (number !== "equal" || record.pidNamespace === initialPidNamespace) return number`,
        to: `if (number !== undefined) return number`
      }
    ],
    tests: [coreTest("VerdictNamespace"), coreTest("VerdictTruth.slow")]
  },
  {
    name: "namespace-doom",
    what: "the first process of a namespace dooms records of a later one with its number",
    edits: [
      {
        file: core("Verdict"),
        from: `  compare(a.bootId, b.bootId) === "equal" &&
  compareFirstProcesses(a.pidNamespaceInit, a.timeOffset, b.pidNamespaceInit, b.timeOffset) === "equal"`,
        to: `  compare(a.bootId, b.bootId) === "equal"`
      }
    ],
    tests: [coreTest("VerdictNamespace"), coreTest("Judgement")]
  },
  {
    name: "remover-shares",
    what: "the remover without its lock: it shares it with owners",
    edits: [
      {
        file: core("internal/store/locking"),
        from: `disk.lock(path, { mode: "exclusive", ...options })`,
        to: `disk.lock(path, { ...options, mode: "shared" })`
      }
    ],
    tests: [coreTest("SentinelStore"), frames("lock")],
    only: "lock|scenario 69"
  },
  {
    name: "remover-unlocked",
    what: "the remover without its lock: it takes none",
    edits: [
      {
        file: core("internal/store/destination"),
        from: `isLocked: held !== undefined && (destination.workspace?.isLocked ?? held.tested)`,
        to: `isLocked: true`
      },
      {
        file: core("internal/store/destination"),
        from: `exclude(path, { test: destination.workspace === undefined }).pipe(`,
        to: `Effect.scoped(exclude(path, { test: destination.workspace === undefined })).pipe(`
      }
    ],
    tests: [coreTest("CleanupRaces.slow"), coreTest("SentinelStore"), frames("takeover")]
  },
  {
    name: "lock-refused",
    what: "the answer of flock(2) ignored",
    edits: [
      {
        file: linux("locks"),
        from: `if (lock(fd, own) === "busy") return fail("EBUSY")`,
        to: `lock(fd, own)`
      }
    ],
    tests: [
      "packages/platform-linux/test/Locks.slow.test.ts",
      "packages/platform-linux/test/OwnershipLock.slow.test.ts"
    ]
  },
  {
    name: "lock-inner",
    what: "locks of inner directories not taken",
    edits: [
      {
        file: core("internal/store/destination"),
        from: `lockInner: isLocked, sentinels`,
        to: `lockInner: false, sentinels`
      }
    ],
    tests: [frames("below")],
    only: "scenario 109"
  },
  {
    name: "below-unseen",
    what: "the look below the first level left out",
    edits: [
      {
        file: core("internal/sweep/ownersBelow"),
        from: `judgement.condemned === undefined || judgement.state.subdirectories === "none"`,
        to: `judgement.state.path !== ""`
      },
      {
        file: core("internal/sweep/ownersBelow"),
        from: `const nothingBelow = (): boolean => false`,
        to: `const nothingBelow = (): boolean => true`
      }
    ],
    tests: [coreTest("Cleanup"), frames("below")],
    only: "scenario 77|below"
  },
  {
    name: "below-unjudged",
    what: "sentinels below that weren't judged go all the same",
    edits: [
      {
        file: core("internal/sweep/ownersBelow"),
        from: `return judged !== undefined && isUnchanged(judged, file)`,
        to: `return judged === undefined || isUnchanged(judged, file)`
      }
    ],
    tests: [frames("below")],
    only: "scenario 109"
  },
  {
    name: "workspace-believed",
    what: "a workspace believed unasked, whoever made it",
    edits: [
      {
        file: core("Judgement"),
        from: `if (parts.length > 0 || inputs.foreign.length > 0) return ofOwners(inputs, parts)`,
        to: `if (inputs.distrust !== undefined) return leftover("abandoned")`
      }
    ],
    tests: [coreTest("Judgement"), frames("bootId")],
    only: "workspace|scenario (62|80)"
  },
  {
    name: "dead-believed",
    what: "what lies in `dead/` believed unasked",
    edits: [
      {
        file: core("Judgement"),
        from: `return foreign.length === 0 && parts.every(isKnown)`,
        to: `return parts.every(isKnown) || parts.length > 0`
      }
    ],
    tests: [coreTest("Judgement"), frames("takeover")],
    only: "remains|mark|dead|scenario 108"
  },
  {
    name: "v2-mtime",
    what: "mtime alone for v2",
    edits: [
      {
        file: core("JudgeInputs"),
        from: `changedAt: file.changedAt,`,
        to: `changedAt: file.writtenAt,`
      }
    ],
    tests: [frames("owners")],
    only: "scenario 81"
  },
  {
    name: "conversion-unchecked",
    what: "the owner's conversion of its lock unchecked",
    edits: [
      {
        file: core("internal/owning/holding"),
        from: 'Effect.mapError(lock.share, () => new Claimed({ path: directory, reason: "lock-lost" }))',
        to: "Effect.ignore(lock.share)"
      }
    ],
    tests: [coreTest("Ownership")]
  },
  {
    name: "scope-claims",
    what: "a scope closes and its record goes on claiming the lock",
    edits: [
      {
        file: core("internal/owning/holding"),
        from: `if (lock === undefined || sentinel._tag !== "V3" || sentinel.record.lock === undefined) return yield* close`,
        to: `if (lock !== undefined || sentinel._tag !== "V3" || sentinel.record.lock === undefined) return yield* close`
      }
    ],
    tests: [coreTest("Ownership"), frames("owners")],
    only: "scope|scenario 66"
  },
  {
    name: "machine-unknown",
    what: "equal ids believed in a virtual machine",
    edits: [
      {
        file: core("internal/judgement/standing"),
        from: "if (isCertain || isTrusted) return undefined",
        to: "if (isCertain !== undefined) return undefined"
      }
    ],
    tests: [coreTest("VerdictMachine")]
  },
  {
    name: "machine-of-image",
    what: "the machine id of an image taken for the machine's, for an earlier boot on a shared file system",
    edits: [
      {
        file: core("internal/judgement/standing"),
        from: "const isOwnId = isSameBoot || haveOwnMachineIds(record, host)",
        to: "const isOwnId = true"
      }
    ],
    tests: [coreTest("VerdictMachine")]
  },
  {
    name: "boot-id-covered",
    what: "the boot id believed under a cover",
    edits: [
      {
        file: linux("procfs"),
        from: `if (kernel.mountId(fd) !== kernel.mountId(directory)) {`,
        to: `if (kernel.mountId(fd) === -1) {`
      },
      {
        file: linux("procfs"),
        from: `return isProcfs(source, \`/proc/self/fd/\${fd}\`)`,
        to: `return fd >= 0`
      }
    ],
    tests: [frames("bootId")],
    only: "scenario 61"
  },
  {
    name: "procfs-foreign",
    what: "NStgid not asked: a procfs of another PID namespace believed when the numbers agree",
    edits: [
      {
        file: linux("procfs"),
        from: `return pids.length === 1 ? undefined : noProcfs(`,
        to: `return pids.length > 0 ? undefined : noProcfs(`
      }
    ],
    tests: ["packages/platform-linux/test/LinuxProcessInspector.test.ts", frames("namespaces")],
    only: "namespace|scenario 74"
  },
  {
    name: "procfs-later",
    what: "a procfs of another PID namespace, mounted after the first look, asked for the executable of a v2 owner",
    edits: [
      {
        file: linux("probe"),
        from: `if (wanted === "path" && checkNamespace(source) !== undefined) return undefined`,
        to: `if (wanted === "path" && source === undefined) return undefined`
      }
    ],
    tests: ["packages/platform-linux/test/LinuxProcessInspector.test.ts"],
    only: "mounted over after the first look"
  },
  {
    name: "judged-by-reference",
    what: "a judged sentinel kept as a view of the buffer of a Disk",
    edits: [
      {
        file: "packages/core/src/Condemned.ts",
        from: `bytes: bytes === undefined ? undefined : new Uint8Array(bytes)`,
        to: `bytes`
      }
    ],
    tests: [coreTest("Condemned")],
    only: "the bytes that were judged"
  },
  {
    name: "claim-after-its-scope",
    what: "a claim that couldn't go back deletes after its scope, when the lock is free",
    edits: [
      {
        file: core("internal/store/claims"),
        from: `        : letGo
    )`,
        to: `        : Effect.void
    )`
      }
    ],
    tests: [coreTest("SentinelStore")],
    only: "after the scope of the claim"
  },
  {
    name: "record-by-inode",
    what: "a record under the inode number of the judged one taken for that one",
    edits: [
      {
        file: core("internal/store/oldRecords"),
        from: "return !isReborn && sameSentinel(now, { entry, id, size, writtenAt, bytes: file.bytes })",
        to: "return isReborn || now.id.ino === id.ino"
      }
    ],
    tests: [coreTest("SentinelStore")],
    only: "scenario 102: a record under the inode"
  },
  {
    name: "claim-unseen-by-bind-mount",
    what: "a writer by a bind mount doesn't look for a claim after it has published",
    edits: [
      {
        file: core("internal/store/publication"),
        from: "Effect.tap(isOwn ? Effect.void : refuseInSweep(directory))",
        to: "Effect.tap(isOwn ? Effect.void : refuseMarked(directory))"
      }
    ],
    tests: [coreTest("Ownership")],
    only: "scenario 70"
  },
  {
    name: "failed-record-kept",
    what: "a record stays although its publication failed",
    edits: [
      {
        file: core("internal/store/publication"),
        from: "Effect.onError(() => undo)",
        to: "Effect.onError(() => Effect.void)"
      }
    ],
    tests: [coreTest("Ownership")],
    only: "an attempt that fails"
  },
  {
    name: "rival-unseen",
    what: "a writer takes a role whose owner is rewriting its record",
    edits: [
      {
        file: core("internal/owning/recording"),
        from: "if (sentinels.length > 0) yield* requireGone(",
        to: "if (sentinels.length > 64) yield* requireGone("
      }
    ],
    tests: [coreTest("Ownership")],
    only: "rewriting its record"
  },
  {
    name: "word-below",
    what: "an operator's word about a directory counts for the owners below it",
    edits: [
      {
        file: core("internal/sweep/examiner"),
        from: "const examineUnassumed = judgeBy(withoutWord)",
        to: "const examineUnassumed = judgeBy(withoutWord.isThorough ? withoutWord : context)"
      }
    ],
    tests: [coreTest("Cleanup")],
    only: "operator's word"
  },
  {
    name: "inner-taken-for-gone",
    what: "an inner directory whose files vanish during each scan counts as gone",
    edits: [
      {
        file: core("internal/store/innerLookup"),
        from: 'type === "directory" ? Effect.fail(new StoreFailure({ operation, path })) : Effect.undefined',
        to: "type === undefined ? Effect.fail(new StoreFailure({ operation, path })) : Effect.undefined"
      }
    ],
    tests: [coreTest("SentinelStore")],
    only: "scenario 77"
  },
  {
    name: "flock-unstarted",
    what: "a flock(1) that wasn't started for want of a resource taken for a file system without locks",
    edits: [
      {
        file: linux("locks"),
        from: 'fail(isShortage(errnoOf(error)) ? errnoOf(error) : "ENOTSUP")',
        to: 'fail(isShortage(errnoOf(error)) ? "ENOTSUP" : "ENOTSUP")'
      }
    ],
    tests: ["packages/platform-linux/test/Locks.slow.test.ts"],
    only: "no process can be started"
  },
  {
    name: "machine-unread",
    what: "a machine id that wasn't read for want of a resource taken for a missing one",
    edits: [{ file: core("internal/judgement/standing"), from: 'return "unread"', to: "return machine" }],
    tests: [coreTest("VerdictBoot")],
    only: "wasn't read for want of a resource"
  },
  {
    name: "borrowed-claim",
    what: "a record of the caller claims a lock that the caller's other record releases",
    edits: [
      {
        file: core("internal/owning/recording"),
        from: "isClaimed: options.pid !== undefined",
        to: 'isClaimed: typeof options.pid !== "string"'
      }
    ],
    tests: [coreTest("Ownership")],
    only: "scenario 66"
  },
  {
    name: "unfinished-unjudged",
    what: "a directory under the name of an unfinished one removed without a judgement",
    edits: [
      {
        file: core("internal/store/workspaces"),
        from: `    if (condemned === undefined && verdict !== "none") return
`,
        to: ""
      },
      {
        file: core("internal/store/workspaces"),
        from: `condemned === undefined ? removeUnowned(mine) : Effect.interruptible(removeCondemned(mine, condemned, layout))`,
        to: `disk.removeTree(mine, { expected: stat.value.id })`
      }
    ],
    tests: [coreTest("SentinelStore")],
    only: "under the name of an unfinished one"
  },
  {
    name: "earlier-id",
    what: "an equal 64-bit id of an earlier boot taken for life",
    edits: [
      {
        file: core("Verdict"),
        from: `if (!isOfOtherBoot && hasRecordedId(sentinel, process)) {`,
        to: `if (hasRecordedId(sentinel, process)) {`
      }
    ],
    tests: [frames("bootId")],
    only: "scenario 64"
  },
  {
    name: "published-in-sweep",
    what: "an owner may publish below a sweep's own directory",
    edits: [
      {
        file: core("internal/store/publication"),
        from: `if (!isOwn) yield* refuseInSweep(directory)`,
        to: `if (isOwn) yield* refuseInSweep(directory)`
      }
    ],
    tests: [coreTest("Ownership"), coreTest("SentinelStore")]
  },
  {
    name: "unmoved-unconfirmed",
    what: "a record that came right before the mark not looked for where the directory lies",
    edits: [
      {
        file: core("internal/store/unmoved"),
        from: `      return problem === undefined ? now : yield* Effect.fail(changedTo(path, problem, now))
    })

    /**
     * Renames the mark back.`,
        to: `      return now
    })

    /**
     * Renames the mark back.`
      }
    ],
    tests: [coreTest("SentinelStore")],
    only: "scenario 41"
  },
  {
    name: "unmoved-unlocked",
    what: "a directory deleted where it lies though its lock doesn't work",
    edits: [
      {
        file: core("internal/store/claims"),
        from: "if (held === undefined || !isLocked) return yield* new Immovable({ path, errno })",
        to: "if (held === undefined) return yield* new Immovable({ path, errno })"
      }
    ],
    tests: [coreTest("SentinelStore")],
    only: "scenario 86"
  },
  {
    name: "unmoved-owned",
    what: "owners don't see the mark of a directory that is deleted where it lies",
    edits: [{ file: core("internal/store/removingMark"), from: "Effect.as(true)", to: "Effect.as(false)" }],
    tests: [coreTest("Ownership"), coreTest("SentinelStore")],
    only: "scenario 105"
  },
  {
    name: "unjudged-sentinels",
    what: "every sentinel of a directory that is deleted goes, judged or not",
    edits: [
      {
        file: core("internal/store/destination"),
        from: "const judged = judgedOf(state)",
        to: "const judged = undefined"
      }
    ],
    tests: [coreTest("SentinelStore"), coreTest("Cleanup")],
    only: "scenario 10[58]"
  },
  {
    name: "judged-by-inode",
    what: "a sentinel of a deleted directory counts as judged though it was written to since",
    edits: [
      {
        file: core("internal/removal/judged"),
        from: " && file.size === size && file.modifiedAt === modifiedAt",
        to: ""
      }
    ],
    tests: [coreTest("MemoryDisk")],
    only: "scenario 105"
  },
  {
    name: "native-unjudged",
    what: "native code unlinks a sentinel that was replaced since the judgement",
    edits: [
      {
        file: "packages/platform-linux/src/internal/removal.c",
        from: "!is_unchanged(&work->order->judged[index], fd, name) || ",
        to: ""
      }
    ],
    tests: ["packages/platform-linux/test/NativeRemoval.slow.test.ts"],
    only: "scenario 108"
  },
  {
    name: "condemned-rewritten",
    what: "a sentinel that was written again, with equal bytes, counts as the judged one",
    edits: [
      {
        file: core("DirectoryState"),
        from: " || file.writtenAt !== other.writtenAt",
        to: ""
      }
    ],
    tests: ["packages/core/test/Condemned.test.ts", "packages/core/test/SentinelStore.test.ts"]
  },
  {
    name: "word-copied",
    what: "an operator's word about a copied record counts for the original below it",
    edits: [
      {
        file: core("internal/sweep/ownersBelow"),
        from: "(part) => !isWord || isDead(part)",
        to: "() => true"
      }
    ],
    tests: [coreTest("Cleanup")],
    only: "scenario 77"
  },
  {
    name: "native-top-unlooked",
    what: "native code removes files of the top before it has read all names for a sentinel that wasn't judged",
    edits: [
      {
        file: "packages/platform-linux/src/internal/removal.c",
        from: "is_empty = remove_entries(work, fd, 0)",
        to: "is_empty = remove_children(work, fd, 0)"
      }
    ],
    tests: ["packages/platform-linux/test/NativeRemoval.slow.test.ts"],
    only: "scenario 108"
  },
  {
    name: "unguarded-passes",
    what: "files removed from a directory that lies in place after its sentinels are gone",
    edits: [
      {
        file: core("internal/removal/removing"),
        from: "level.isUnguarded = isGuarded\n",
        to: "level.isUnguarded = false\n"
      },
      { file: core("internal/disk/treeRemoval"), from: "unguarded.add(above)\n", to: "" }
    ],
    tests: [coreTest("TreeRemoval"), coreTest("MemoryDisk")],
    only: "scenario 105"
  },
  {
    name: "only-everything",
    what: "a sweep removes what wasn't listed",
    edits: [
      {
        file: core("internal/sweep/reclaimSteps"),
        from: "options.only === undefined || left.delete(key(foreseen()))",
        to: "left.delete(key(foreseen())) || true"
      }
    ],
    tests: [coreTest("CleanupOnly"), cliTest("SweepAsks")]
  },
  {
    name: "only-twice",
    what: "one listed name allows two removals",
    edits: [
      {
        file: core("internal/sweep/reclaimSteps"),
        from: "left.delete(key(foreseen()))",
        to: "left.has(key(foreseen()))"
      }
    ],
    tests: [coreTest("CleanupOnly")]
  },
  {
    name: "only-unprobed",
    what: "what may not be removed is told dead without a look at its lock",
    edits: [
      {
        file: core("internal/sweep/reclaimDirectory"),
        from: "options.dryRun || options.only !== undefined",
        to: "options.dryRun"
      }
    ],
    tests: [coreTest("CleanupOnly")]
  },
  {
    name: "only-by-name",
    what: "a directory goes that has taken the name of a listed one",
    edits: [
      { file: core("Outcome"), from: "return since === undefined ? named : `${since}/${named}`", to: "return named" }
    ],
    tests: [coreTest("CleanupOnly"), cliTest("Reclaim")]
  },
  {
    name: "only-unconfined",
    what: "after a yes a sweep removes more than was shown",
    edits: [{ file: cli("sweep/Sweep"), from: "dryRun: false, only: keys,", to: "dryRun: false, only: undefined," }],
    tests: [cliTest("SweepAsks")]
  },
  {
    name: "root-owned",
    what: "a VM directory is swept as if it were a root",
    edits: [
      { file: core("internal/store/roots"), from: "if (sentinel !== undefined) {", to: 'if (sentinel?.entry === "") {' }
    ],
    tests: [coreTest("Cleanup")]
  },
  {
    name: "root-by-known-names",
    what: "a root is swept although it has a sentinel of a name that the sweep is told to read",
    edits: [
      { file: core("Cleanup"), from: "store.list(opened, full.layout)", to: "store.list(opened, Layout.standard)" }
    ],
    tests: [coreTest("Cleanup")],
    only: "refuses a root that has a sentinel"
  },
  {
    name: "root-by-hidden-names",
    what: "a root is swept although it has a sentinel of a name without a dot",
    edits: [
      {
        file: core("internal/store/roots"),
        from: `if (found !== undefined || names.every((name) => name.startsWith("."))) return found`,
        to: `if (found !== undefined || names.length > 0) return found`
      }
    ],
    tests: [coreTest("Cleanup")],
    only: "refuses a root that has a sentinel"
  },
  {
    name: "inner-written-since",
    what: "an inner sentinel that was written into since the judgement counts as the one that was judged",
    edits: [
      {
        file: core("internal/sweep/ownersBelow"),
        from: " && judged.size === now.size && judged.changedAt === now.changedAt",
        to: ""
      }
    ],
    tests: [coreTest("Cleanup")],
    only: "written anew before the mark"
  },
  {
    name: "inner-looked-once",
    what: "inner sentinels of a given name aren't looked for again after the claim",
    edits: [
      {
        file: core("internal/sweep/reclaimDirectory"),
        from: "isOnceEnough ? mayRemove : undefined",
        to: "isOnceEnough ? mayRemove : mayRemove"
      }
    ],
    tests: [coreTest("Cleanup")],
    only: "written anew before the claim"
  },
  {
    name: "inner-unnamed",
    what: "a removal lacks the given names of sentinels",
    edits: [
      {
        file: core("internal/store/destination"),
        from: "lockInner: isLocked, sentinels: layout.sentinels",
        to: "lockInner: isLocked, sentinels: []"
      }
    ],
    tests: [coreTest("Cleanup")],
    only: "written anew before the mark"
  },
  {
    name: "inner-unnamed-natively",
    what: "native code removes a tree whose sentinels have names that it lacks",
    edits: [
      {
        file: linux("../LinuxDisk"),
        from: "sentinels.every((name) => SentinelName.isSentinel(name))",
        to: "sentinels.every((name) => SentinelName.isSentinel(name, [name]))"
      }
    ],
    tests: ["packages/platform-linux/test/LinuxDisk.test.ts"],
    only: "sentinels under given names"
  },
  {
    name: "group-unlocked",
    what: "a group claims a directory that it couldn't lock",
    edits: [
      {
        file: core("internal/store/removeMany"),
        from: "if (state !== undefined && changeSince(",
        to: "if (state === undefined || changeSince("
      }
    ],
    tests: [coreTest("RemoveMany")],
    only: "whose lock an owner takes"
  },
  {
    name: "group-changed-under-lock",
    what: "a group claims a directory that changed before its lock was taken",
    edits: [
      {
        file: core("internal/store/removeMany"),
        from: "if (state !== undefined && changeSince(item.condemned, state) === undefined)",
        to: "if (state !== undefined)"
      }
    ],
    tests: [coreTest("RemoveMany")],
    only: "between the judgement and the lock"
  },
  {
    name: "group-lock-kept-early",
    what: "a group holds the lock of a directory that it doesn't claim until the others are deleted",
    edits: [{ file: core("internal/store/removeMany"), from: "else yield* release", to: "" }],
    tests: [coreTest("RemoveMany")],
    only: "holds no lock"
  },
  {
    name: "group-lock-kept-late",
    what: "a group holds the lock of a directory that it puts back until the others are deleted",
    edits: [{ file: core("internal/store/removeMany"), from: "Effect.ensuring(item.release)", to: "" }],
    tests: [coreTest("RemoveMany")],
    only: "holds no lock"
  },
  {
    name: "group-changed-after-claim",
    what: "a group judges a claimed directory without a comparison with the one that was condemned",
    edits: [
      {
        file: core("internal/store/removeMany"),
        from: "const problem = state && changeSince(item.condemned, state)",
        to: "const problem = undefined"
      }
    ],
    tests: [coreTest("RemoveMany")],
    only: "scenario 108"
  },
  {
    name: "ended-sweep-alive",
    what: "the lock of a workspace says nothing while the process of its sweep lives",
    edits: [
      {
        file: core("Judgement"),
        from: "withEndedSweeps(inputs, withEndedNamespaces(judgeOwners(inputs)))",
        to: "withEndedNamespaces(judgeOwners(inputs))"
      }
    ],
    tests: [coreTest("Judgement"), coreTest("CleanupGroups")]
  },
  {
    name: "lock-ends-any-owner",
    what: "the free lock of a workspace ends an owner that is no sweep",
    edits: [{ file: core("Verdict"), from: " || sentinel.record.role !== sweepRole", to: "" }],
    tests: [coreTest("Judgement")]
  },
  {
    name: "workspace-half-observed",
    what: "a record in a workspace isn't observed if one before it seems alive",
    edits: [{ file: core("internal/sweep/judgeDirectory"), from: ` || kind._tag === "Workspace"`, to: "" }],
    tests: [coreTest("CleanupGroups")]
  },
  {
    name: "any-lock-ends-a-sweep",
    what: "any free lock of a workspace proves that its sweep has ended",
    edits: [{ file: core("Verdict"), from: "return hasEnded ?", to: `return inputs.observed.lockState === "free" ?` }],
    tests: [coreTest("Judgement")]
  },
  {
    name: "ended-owner",
    what: "a free lock ends an owner that lives, as it ends a sweep",
    edits: [{ file: core("Judgement"), from: "  isWorkspace(inputs)\n", to: "  parts.length > 0\n" }],
    tests: [coreTest("Judgement")]
  },
  {
    name: "group-mounted",
    what: "a group is claimed although something is mounted below the root",
    edits: [{ file: core("internal/store/removeMany"), from: " || !(yield* isUnmountedBelow(disk, root))", to: "" }],
    tests: [coreTest("RemoveMany")],
    only: "mount"
  },
  {
    name: "group-mounted-since",
    what: "a group marks a claimed directory on which something is mounted",
    edits: [{ file: core("internal/store/removeMany"), from: "yield* requireNoMount(disk, path, origin)", to: "" }],
    tests: [coreTest("RemoveMany")],
    only: "something is mounted"
  },
  {
    name: "group-judged-once",
    what: "a group deletes a directory that the second judgement doesn't condemn",
    edits: [
      {
        file: core("internal/store/removeMany"),
        from: `if (judgement.condemned === undefined) return { _tag: "Kept", judgement }`,
        to: `if (judgement.condemned === undefined) return "mark"`
      }
    ],
    tests: [coreTest("RemoveMany")],
    only: "second judgement doesn't condemn"
  },
  {
    name: "group-misjudged",
    what: "a group deletes a directory by the second judgement of another one",
    edits: [
      {
        file: core("internal/store/removeMany"),
        from: "const problem = changeSince(judgement.condemned, state)",
        to: "const problem = undefined"
      }
    ],
    tests: [coreTest("RemoveMany")],
    only: "judgement of another"
  },
  {
    name: "group-inner-unjudged",
    what: "a group deletes a directory that got a subdirectory since the judgement",
    edits: [
      {
        file: core("internal/store/removeMany"),
        from: `return state.subdirectories === "none" ? "mark" : undefined`,
        to: `return "mark"`
      }
    ],
    tests: [coreTest("RemoveMany")],
    only: "subdirectory"
  },
  {
    name: "group-swapped",
    what: "a group marks another directory that was put where a claim lies",
    edits: [
      {
        file: core("internal/store/removeMany"),
        from: "        yield* requireSame(disk, path, state.id)\n",
        to: ""
      }
    ],
    tests: [coreTest("RemoveMany")],
    only: "put where"
  },
  {
    name: "group-swapped-at-mark",
    what: "another directory that was put where a claim lies stays marked",
    edits: [
      {
        file: core("internal/store/removeMany"),
        from: "isReplaced(error, item.tree.path)\n",
        to: "isReplaced(error, item.path)\n"
      }
    ],
    tests: [coreTest("RemoveMany")],
    only: "put where"
  },
  {
    name: "removal-unexpected",
    what: "a deletion removes whatever directory lies at the path",
    edits: [{ file: core("internal/store/destination"), from: "expected: state.id, judged", to: "judged" }],
    tests: [coreTest("RemoveMany")],
    only: "put where"
  },
  {
    name: "group-unjudged-sentinel",
    what: "a deletion unlinks a sentinel that wasn't judged",
    edits: [
      { file: core("internal/store/destination"), from: "expected: state.id, judged, ", to: "expected: state.id, " }
    ],
    tests: [coreTest("RemoveMany")],
    only: "scenario 108"
  },
  {
    name: "group-interrupted",
    what: "an interruption during the second judgements leaves directories claimed",
    edits: [
      {
        file: core("internal/store/removeMany"),
        from: "Effect.onError(() => leaveAll),",
        to: ""
      }
    ],
    tests: [coreTest("RemoveMany")],
    only: "interruption during the second judgement"
  },
  {
    name: "group-untold",
    what: "an interrupted deletion doesn't tell what is gone",
    edits: [
      {
        file: core("internal/store/removeMany"),
        from: "Effect.forEach(marked, ({ tree }) => hasGone(disk, tree.path))",
        to: "Effect.forEach(marked, ({ tree }) => Effect.map(hasGone(disk, tree.path), () => false))"
      }
    ],
    tests: [coreTest("RemoveMany")],
    only: "interruption during the deletion"
  },
  {
    name: "native-replacing",
    what: "native code replaces what lies where a claim moves a directory to",
    edits: [
      {
        file: "packages/platform-linux/src/internal/look.c",
        from: "page->targets[at], NO_REPLACE)",
        to: "page->targets[at], NO_REPLACE * 0)"
      }
    ],
    tests: ["packages/platform-linux/test/LinuxDisk.test.ts"],
    only: "moves many directories"
  },
  {
    name: "native-lock-ignored",
    what: "native code takes a directory whose lock is held for one that it locked",
    edits: [
      {
        file: "packages/platform-linux/src/internal/look.c",
        from: "flock(page->locks[at], LOCK_EX | LOCK_NB) == 0 ? 0 : errno",
        to: "flock(page->locks[at], LOCK_EX | LOCK_NB) < 2 ? 0 : errno"
      }
    ],
    tests: ["packages/platform-linux/test/LinuxDisk.test.ts"],
    only: "many directories"
  },
  {
    name: "native-lock-swapped",
    what: "native code looks at another directory than the one that it locked",
    edits: [
      {
        file: "packages/platform-linux/src/internal/look.c",
        from: "return page->action != LOCK ||",
        to: "return page->action >= LOOK ||"
      }
    ],
    tests: ["packages/platform-linux/test/ScanMany.slow.test.ts"]
  },
  {
    name: "native-moves-untold",
    what: "the mount table isn't told of directories that native code has moved",
    edits: [{ file: linux("../LinuxDisk"), from: "if (answer.isMoved) moved(`${root}/${from}`)", to: "" }],
    tests: ["packages/platform-linux/test/LinuxDisk.test.ts"],
    only: "whose directory was renamed"
  },
  {
    name: "scope-unread",
    what: "a scope that closes takes a record that it can't read for one that isn't there, and frees the lock",
    edits: [{ file: core("internal/owning/holding"), from: "file.bytes !== undefined && nonceOf", to: "nonceOf" }],
    tests: [coreTest("Ownership")],
    only: "scenario 66"
  },
  {
    name: "release-aside",
    what: "an owner's release that fails leaves its record under a name that no release finds",
    edits: [
      {
        file: core("internal/store/publication"),
        from: "      Effect.onError(() => Effect.ignore(putBack(aside, path))),\n",
        to: ""
      }
    ],
    tests: [coreTest("SentinelStore")],
    only: "scenario 39"
  },
  {
    name: "word-by-name",
    what: "an operator's word about a directory without a deciding sentinel counts for a later one of its name",
    edits: [{ file: core("Outcome"), from: "since = directory?.observed\n", to: "since = directory?.recorded\n" }],
    tests: [coreTest("CleanupOnly")]
  },
  {
    name: "inner-crowded",
    what: "an inner directory counts as one without owners if its sentinels weren't read",
    edits: [{ file: core("internal/sweep/ownersBelow"), from: " || state.crowded !== undefined) {", to: ") {" }],
    tests: [coreTest("Cleanup")],
    only: "scenario 109"
  },
  {
    name: "inner-hidden",
    what: "an inner sentinel among more files than a look lists counts as none",
    edits: [{ file: core("internal/store/innerLookup"), from: ",\n      Stream.map(withSentinel)", to: "" }],
    tests: [coreTest("Cleanup")],
    only: "scenario 109"
  },
  {
    name: "word-about-sweeps",
    what: "an operator's word about a directory condemns the sweep that has it",
    edits: [
      {
        file: core("Judgement"),
        from: 'kind._tag === "Workspace" || distrust',
        to: '(kind._tag === "Workspace" && assumeDead === "") || distrust'
      }
    ],
    tests: [coreTest("CleanupMoved")]
  },
  {
    name: "reclaim-inside",
    what: "reclaim removes a directory inside a living owner's",
    edits: [{ file: core("Cleanup"), from: "yield* requireNoOwner(steps)", to: "void requireNoOwner" }],
    tests: [coreTest("Cleanup")],
    only: "refuses a directory in that of an owner"
  },
  {
    name: "word-unbound",
    what: "an operator's yes counts for a directory that has taken the name of the one that was shown",
    edits: [{ file: cli("sweep/Reclaim"), from: "only: new Set([Outcome.key(outcome)])", to: "only: undefined" }],
    tests: [cliTest("Reclaim")]
  },
  {
    name: "marked-unskipped",
    what: "a sweep finishes the deletion of a directory that is to be skipped",
    edits: [
      {
        file: core("internal/sweep/resumeLeftovers"),
        from: "if (skip(leftover.name)) return",
        to: "if (skip.length > 1) return"
      }
    ],
    tests: [coreTest("Cleanup")]
  },
  {
    name: "skip-unheld",
    what: "a strict sweep removes although a pattern of --skip protects nothing",
    edits: [
      {
        file: cli("sweep/Sweep"),
        from: 'if (options.strict && unmatched.length > 0) return "unmatched-skip"',
        to: ""
      }
    ],
    tests: [cliTest("SweepRoots")]
  },
  {
    name: "skip-by-name",
    what: "a pattern of --skip counts as one that protects a directory that wasn't skipped",
    edits: [{ file: cli("sweep/Skip"), from: 'reason === "skipped"', to: "reason.length > 0" }],
    tests: [cliTest("Skip")]
  },
  {
    name: "run-ends-first",
    what: "run ends before a command that it couldn't record",
    edits: [
      {
        file: cli("owner/Run"),
        from: `yield* Command.exited(child)
    return yield* Cause`,
        to: "return yield* Cause"
      }
    ],
    tests: [cliTest("run")]
  },
  {
    name: "run-beside",
    what: "run starts a second command beside a process of the first",
    edits: [
      {
        file: cli("owner/Run"),
        from: "if (lock?.wasExclusive !== true) yield* EarlierCommand.ensureUnlocked(path, name, before, held, record)",
        to: ""
      }
    ],
    tests: [cliTest("run")]
  },
  {
    name: "run-forfeits",
    what: "a run that starts no command makes a directory without a sentinel removable",
    edits: [{ file: cli("owner/Run"), from: "file.hasReplaced ?", to: "before.sentinels.length < 99 ?" }],
    tests: [cliTest("run")]
  },
  {
    name: "run-hidden",
    what: "a holder of the lock who is explained hides one of an earlier command",
    edits: [
      { file: cli("owner/EarlierCommand"), from: 'yield* lockHolders(id, "all")', to: "yield* lockHolders(id)" },
      { file: cli("owner/EarlierCommand"), from: 'Effect.map(lockHolders(id, "all")', to: "Effect.map(lockHolders(id)" }
    ],
    tests: [cliTest("run")]
  },
  {
    name: "run-late",
    what: "run starts a second command beside one that came after it looked at the lock",
    edits: [
      {
        file: cli("owner/EarlierCommand"),
        from: "const present = yield* presentHolders(held.lock.id, before, line)",
        to: "const present: ReadonlyArray<Pid> = []"
      }
    ],
    tests: [cliTest("run")],
    only: "after the look at the lock"
  },
  {
    name: "run-shared-file",
    what: "a command can free the lock of its run",
    edits: [{ file: cli("owner/Run"), from: "yield* Scope.provide(commandLock(path, lock), scope)", to: "lock" }],
    tests: [cliTest("run")],
    only: "frees the one"
  },
  {
    name: "run-outer",
    what: "a command doesn't hold the directory of an outer run",
    edits: [{ file: cli("owner/Run"), from: ", ...inherited]", to: "]" }],
    tests: [cliTest("run")],
    only: "outer run"
  },
  {
    name: "release-unproved",
    what: "an owner's sentinel is removed although nothing proves that the owner is gone",
    edits: [
      { file: core("internal/owning/recording"), from: "!own.sentinels.every(isOver)", to: "own.sentinels.length > 99" }
    ],
    tests: [coreTest("Ownership")],
    only: "releaseEnded"
  },
  {
    name: "release-by-itself",
    what: "a dead directory loses the only sentinel that makes it dead",
    edits: [
      {
        file: core("internal/owning/recording"),
        from: `if ((yield* judge(own)).verdict !== "unknown") return false`,
        to: ""
      }
    ],
    tests: [coreTest("Ownership")],
    only: "releaseEnded"
  },
  {
    name: "run-legacy",
    what: "run replaces a v2 sentinel that the operator wants kept",
    edits: [{ file: cli("owner/Run"), from: "const named = { legacy, ", to: "const named = { " }],
    tests: [cliTest("run")]
  },
  {
    name: "note-unlocked",
    what: "a note removes an empty directory whose lock an owner holds",
    edits: [
      {
        file: core("internal/store/leftovers"),
        from: "      if (!(yield* isEmptied)) return false\n      yield* lock(destination, path)",
        to: "      if (!(yield* isEmptied)) return false"
      }
    ],
    tests: [coreTest("SentinelStore")]
  },
  {
    name: "note-by-inode",
    what: "a note removes an empty directory that got the inode of the one that it was about",
    edits: [
      {
        file: core("internal/store/unmoved"),
        from: "bytes: new TextEncoder().encode(birth)",
        to: "bytes: birth === birth ? undefined : new Uint8Array()"
      }
    ],
    tests: [coreTest("SentinelStore")]
  },
  {
    name: "word-unasked",
    what: "a word that decided nothing at the first look decides at the second one unasked",
    edits: [
      {
        file: cli("sweep/Reclaim"),
        from: `return { assumeDead: Option.none(), only: undefined }`,
        to: `return { assumeDead, only: undefined }`
      }
    ],
    tests: [cliTest("Reclaim")]
  }
]

/**
 * `doctor` predicts what a sweep does. In each situation owners end, `doctor` is asked, and a real sweep of the same
 * root must come to the same answers.
 */
import { assert, describe } from "@effect/vitest"
import type { Case } from "@vm-sentinel/core/Prospect"
import { Effect, Schema } from "effect"
import * as Finding from "../../src/doctor/Finding.ts"
import * as Places from "../support/Places.ts"
import * as Shell from "../support/Shell.ts"

const { real, without } = Places

const ownPids = Places.ownPids.join(" ")
const user = "setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=/nonexistent"

/**
 * `made NAME`: a directory of the user who sweeps. `ended NAME`: records a process that then ends. `held NAME [PLACE…]`:
 * a process in a place holds the directory, and ends. `ends FD`: ends the process `$P`, or the first process of the PID
 * namespace that `$P` made. The descriptor keeps the number of that namespace from the namespaces of other tests. `$T`
 * is the root, `$AS` the beginning of a command of that user.
 */
const functions = `
  export T AS NODE=${process.execPath} SUPERVISOR=${Shell.supervisor}
  made() { $AS mkdir -m 700 $T/$1; }
  ended() {
    made $1; $AS sleep 1000000 >/dev/null 2>&1 & P=$!
    until grep -q ^sleep /proc/$P/comm; do kill -0 $P || return 1; sleep 0.01; done
    $AS $VS write $T/$1 --pid $P; WRITTEN=$?
    kill -KILL $P; wait $P || true
    return $WRITTEN
  }
  said() { until grep -q $1 $SAID; do kill -0 $P || { cat $SAID; return 1; }; sleep 0.01; done; }
  ends() {
    C=$(cat /proc/$P/task/$P/children); C=\${C:-$P}
    eval "exec $1</proc/\${C% }/ns/pid"
    kill -KILL $C; wait $P || true
  }
  held() {
    NAME=$1; shift; made $NAME; SAID=$(mktemp)
    "$@" $AS $NODE $SUPERVISOR $T/$NAME >$SAID 2>&1 & P=$!
    said held; ends 8; unlocked $T/$NAME
  }
  change() { C=$(sed "$2" $1); printf '%s\\n' "$C" >$1; }`

/** Scripts that make an owner of each case. The owner has ended when the script has. */
const owners: Readonly<Record<Case, string>> = {
  crashed: "ended crashed",
  "crashed-held": "held crashed-held",
  // A record of an earlier boot has its boot id, and the first process that its PID namespace had then.
  rebooted: `ended rebooted
    change $T/rebooted/.vm-sentinel 's/"bootId":"[^"]*"/"bootId":"0d1f5c3e-5d2a-4a7e-9a53-6c1f0e7b9a10"/'
    change $T/rebooted/.vm-sentinel 's/"pidNamespaceInit":{[^}]*}/"pidNamespaceInit":{"startTime":"0"}/'`,
  restarted: `made restarted; SAID=$(mktemp)
    ${ownPids} $AS sh -c 'sleep 1000000 & $VS write $T/restarted --pid $! && echo written; wait' >$SAID 2>&1 & P=$!
    said written; ends 9`,
  "restarted-held": `held restarted-held ${ownPids}`,
  v1: "$AS sh -c 'umask 077; mkdir $T/v1; printf 2147483647 >$T/v1/.vm-sentinel'"
}

const decode = Schema.decodeUnknownSync(Schema.Union([Finding.Machine, Finding.Root]), { onExcessProperty: "error" })

const parse = (text: string) =>
  text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => decode(JSON.parse(line)))

const codes: Readonly<Record<Finding.Conclusion, number>> = { removes: 0, keeps: 3, refused: 1 }

interface Situation {
  readonly title: string
  readonly tools?: ReadonlyArray<string>
  readonly way?: Shell.Way
  /** Where owners and sweeps run. Default: on the host. */
  readonly place?: (scene: Places.Scene) => Shell.Place
  /** Makes the root `$T`. Default: a directory on the disk. */
  readonly make?: string
  /** What happens to the root once the owners have ended. */
  readonly afterwards?: string
  readonly as?: string
  /** Cases that can't be made here. */
  readonly except?: ReadonlyArray<Case>
  readonly flags?: string
  readonly conclusion: Finding.Conclusion
  /** Findings that aren't ok. */
  readonly limits: Readonly<Record<string, RegExp>>
}

const loop = (type: string, size: string) => `
  mkdir $W/disk; truncate -s ${size} $W/image; mkfs.${type} -q $W/image; mount -o loop $W/image $W/disk
  T=$W/disk/vms; mkdir -m 755 $T`

const noNative = { koffi: /./, library: /./, identity: /by their start alone/ }

const situations: ReadonlyArray<Situation> = [
  { title: "plain ext4", tools: ["mkfs.ext4"], make: loop("ext4", "64M"), conclusion: "removes", limits: {} },
  { title: "xfs", tools: ["mkfs.xfs"], make: loop("xfs", "320M"), conclusion: "removes", limits: {} },
  {
    title: "overlay",
    make: `mkdir $W/lower $W/upper $W/work $W/view
      mount -t overlay -o lowerdir=$W/lower,upperdir=$W/upper,workdir=$W/work overlay $W/view
      T=$W/view/vms; mkdir -m 755 $T`,
    conclusion: "removes",
    limits: { "file system": /^overlay.*next boot/ }
  },
  {
    title: "FUSE",
    tools: ["bindfs"],
    make: "mkdir $W/shared; bindfs $R $W/shared; T=$W/shared",
    conclusion: "keeps",
    limits: {
      "file system": /^0x65735546: other kernels/,
      "other kernels": /virtual machine/,
      directories: /no id of the file system/,
      locks: /a free lock proves nothing/
    }
  },
  {
    title: "FUSE, whose operator trusts it",
    tools: ["bindfs"],
    make: "mkdir $W/shared; bindfs $R $W/shared; T=$W/shared",
    flags: "--shared trust",
    conclusion: "removes",
    limits: {
      "file system": /^0x65735546: other kernels/,
      directories: /no id of the file system/,
      locks: /a free lock proves nothing/
    }
  },
  {
    title: "tmpfs",
    make: "mkdir $W/memory; mount -t tmpfs -o mode=755 tmpfs $W/memory; T=$W/memory",
    conclusion: "removes",
    limits: {}
  },
  { title: "without koffi", way: "withoutKoffi", conclusion: "removes", limits: noNative },
  {
    title: "without procfs of its own",
    place: () => ["unshare", "--pid", "--fork", "--kill-child", ...Places.ownMounts.slice(1)],
    except: ["crashed", "crashed-held", "rebooted", "restarted", "restarted-held"],
    conclusion: "keeps",
    limits: {
      processes: /another PID namespace/,
      identity: /no owner can be recorded/,
      "PID namespace": /first process can't be read/,
      search: /another PID namespace/
    }
  },
  {
    title: "in a container",
    place: ({ root }) => Places.container(root),
    make: "T=/vms",
    conclusion: "removes",
    limits: { search: /outside of the PID namespace/ }
  },
  {
    title: "in a container without koffi and with a covered boot id, as LXC covers it",
    way: "withoutKoffi",
    place: ({ scratch }) => [...Places.ownPids, ...Places.covered(Places.makeBootId(scratch))],
    conclusion: "removes",
    limits: { ...noNative, search: /outside of the PID namespace/, "boot id": /mounted over/ }
  },
  {
    title: "in systemd-nspawn",
    tools: ["systemd-nspawn"],
    place: (scene) => Places.nspawn(scene, scene.root),
    make: "T=/vms",
    except: ["restarted", "restarted-held"],
    conclusion: "removes",
    limits: { search: /outside of the PID namespace/, "machine id": /there is none/ }
  },
  {
    title: "as an ordinary user",
    tools: ["setpriv"],
    make: "T=$W/own; mkdir -m 755 $T; chown 1000:1000 $T",
    as: user,
    conclusion: "removes",
    limits: {}
  },
  {
    title: "as an ordinary user who sees no processes of others",
    tools: ["setpriv"],
    make: "mount -o remount,hidepid=2 /proc; T=$W/own; mkdir -m 755 $T; chown 1000:1000 $T",
    place: () => [...Places.ownMounts, "sh", "-c", 'mount -t proc proc /proc && exec "$@"', "sh"],
    as: user,
    conclusion: "removes",
    limits: { search: /hidepid=/ }
  },
  {
    title: "as an ordinary user in a root that is another's",
    tools: ["setpriv"],
    make: "T=$W/theirs; mkdir -m 777 $T",
    afterwards: "chmod 755 $T",
    as: user,
    conclusion: "refused",
    limits: { change: /^EACCES: nothing can be removed/ }
  },
  {
    title: "in a root that everybody can change",
    make: "T=$W/open; mkdir -m 755 $T",
    afterwards: "chmod 777 $T",
    conclusion: "refused",
    limits: { root: /refused as a root: writable by everybody/ }
  },
  {
    title: "on a file system that is mounted read-only",
    make: "mkdir $W/memory; mount -t tmpfs -o mode=755 tmpfs $W/memory; T=$W/memory",
    afterwards: "mount -o remount,ro $T",
    conclusion: "refused",
    limits: { change: /^EROFS: nothing can be removed/ }
  },
  {
    title: "on a full file system",
    make: "mkdir $W/memory; mount -t tmpfs -o mode=755,size=1M tmpfs $W/memory; T=$W/memory",
    afterwards: "dd if=/dev/zero of=$T/rest bs=4096 >/dev/null 2>&1 || true",
    conclusion: "removes",
    limits: { change: /^ENOSPC: directories are deleted where they lie/ }
  }
]

describe("doctor foretells what a sweep does", () => {
  for (const situation of situations) {
    const { as = "", conclusion, except = [], flags = "", limits, make = "T=$R", place, title, tools = [] } = situation
    const made = Object.entries(owners).flatMap(([name, script]) =>
      except.some((each) => each === name) ? [] : [script]
    )
    real(
      without(...tools),
      title,
      (scene) =>
        Effect.gen(function* () {
          const shell = yield* scene.open(place?.(scene))
          yield* shell.run(`AS="${as}"; ${make}; ${functions}`)
          for (const script of made) yield* shell.run(script)
          yield* shell.run(situation.afterwards ?? "true")
          const state = "find $T -printf '%p %i %s %m %T@ %C@\\n'"
          const before = yield* shell.run(state)

          const asked = yield* shell.attempt(`$AS $VS doctor $T --json ${flags}`)
          assert.strictEqual(asked.code, codes[conclusion], asked.text)
          const [machine, root, ...others] = parse(asked.text)
          if (machine?._tag !== "Machine" || root?._tag !== "Root") return assert.fail(asked.text)
          assert.deepStrictEqual(others, [])
          assert.strictEqual(root.conclusion, conclusion)
          assert.strictEqual(yield* shell.run(state), before)

          // Whether an ordinary user sees the namespaces of all processes depends on what else runs on this machine.
          const changing = as === "" ? ["library"] : ["library", "search"]
          const found = [...machine.findings, ...root.findings].filter(({ state }) => /limited|not/.test(state))
          const limited = found.flatMap(({ what }) => (changing.includes(what) ? [] : [what]))
          const expected = Object.keys(limits).filter((what) => !changing.includes(what))
          assert.deepStrictEqual(limited.toSorted(), expected.toSorted())
          for (const [what, why] of Object.entries(limits)) {
            assert.match(found.find((finding) => finding.what === what)?.why ?? "not told", why, what)
          }

          const sweep = `$AS $VS sweep $T --json ${flags}`
          if (root.owners.length === 0) return assert.strictEqual((yield* shell.attempt(sweep)).code, 1)
          const swept = Object.entries(yield* shell.actions(sweep)).filter(([name]) => name in owners)
          assert.strictEqual(swept.length, made.length)
          const foretold = root.owners.map(
            ({ action, case: name, reason, verdict }) => [name, `${action}: ${verdict}, ${reason}`] as const
          )
          assert.deepStrictEqual(
            Object.fromEntries(swept),
            Object.fromEntries(foretold.filter(([name]) => swept.some(([other]) => other === name)))
          )
        }),
      [situation.way ?? "published"]
    )
  }
})

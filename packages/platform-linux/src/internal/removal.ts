/**
 * Deletes trees in two threads of Node's pool while this thread judges the next directory. One native call deletes
 * several trees. A call leaves every special case to this thread, and this thread takes over a tree that native calls
 * don't finish within their share of its patience. Only TypeScript finds out whether such a tree gets smaller.
 */
import type { JudgedSentinel, Tree } from "@vm-sentinel/core/Disk"
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import { defaultPatience, placeOf } from "@vm-sentinel/core/TreeRemoval"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { encodePath } from "./bytePath.ts"
import { type Call, header } from "./pool.ts"

/** Maximum number of native calls in flight. More of them would wait for one another in the kernel. */
const maxCalls = 2

// Layout of `struct orders` in removal.c: the number of its orders, and the bytes of its header, of one order and of
// the listings. Then byte offsets in `struct order`.
const maxOrders = 32
const headerBytes = 64
const orderBytes = 4096
const listingBytes = 32 * 8192
const [state, result, isKnown, isLocking, dev, ino, judgedCount, firstJudged, path] = [
  0, 4, 8, 12, 16, 24, 32, 40, 168
] as const
const pathBytes = orderBytes - path
const judgedBytes = 32
const maxJudged = (path - firstJudged) / judgedBytes
// Values of `enum state` and `enum result`. UNKNOWN: the order wasn't begun. UNFINISHED: another call has to continue.
const [waiting, unwanted] = [0, 2] as const
const [unknown, gone, unfinished, left] = [0, 1, 2, 3] as const

/** Part of a tree's patience that native calls may take, all calls together. */
const nativeShare = 1 / 3

/**
 * One answer for each tree, in order. `true`: the tree is removed. `false`: the caller removes the rest. `isPatient:
 * false`: each tree gets one call, which a large tree outlasts.
 */
export type Remover = (trees: ReadonlyArray<Tree>, isPatient: boolean) => Effect.Effect<ReadonlyArray<boolean>>

/** The numbers of `struct judged` in removal.c: device, inode, size and mtime. */
type Judged = readonly [dev: bigint, ino: bigint, size: bigint, modifiedAt: bigint]

interface Order {
  /** The path of the parent directory, the tree's name there, and the names of `judged`, each followed by a NUL. */
  readonly path: Buffer
  readonly judged: ReadonlyArray<Judged>
  readonly expected: readonly [dev: bigint, ino: bigint] | undefined
  readonly lockInner: boolean
  /** Runs when a native call gets the order. */
  readonly begin: () => void
  /** Whether native calls have taken their share of the patience, counted from the first call. */
  readonly isLate: () => boolean
  readonly answer: (isGone: boolean) => void
  isWanted: boolean
  /** The `state` of the order in the memory of a call. `undefined`: no call has the order. */
  stateWord: Int32Array | undefined
}

const isMark = ({ entry }: JudgedSentinel): boolean => entry === SentinelName.removingName

/** `undefined`: the judgement knows the sentinel by its name only, or the name isn't that of a file. */
const numbersOf = ({ entry, file }: JudgedSentinel): Judged | undefined =>
  file === undefined || /[\0/]/.test(entry)
    ? undefined
    : [BigInt(file.id.dev), BigInt(file.id.ino), BigInt(file.size), BigInt(file.modifiedAt)]

/**
 * `undefined`: the path has a NUL, doesn't end in a name, or is too long for an order, or the judged sentinels don't
 * fit into one. The mark of a deletion is removed last. Without the mark an owner could take the directory.
 */
const orderOf = ({
  expected,
  judged: given = [],
  lockInner = true,
  path
}: Tree): Pick<Order, "expected" | "judged" | "lockInner" | "path"> | undefined => {
  const place = path.includes("\0") ? undefined : placeOf(path)
  const sentinels = given.toSorted((a, b) => Number(isMark(a)) - Number(isMark(b)))
  const judged = sentinels.map(numbersOf).filter(Predicate.isNotUndefined)
  if (place === undefined || judged.length < sentinels.length || judged.length > maxJudged) return undefined
  const names = [place.parent, place.name, ...sentinels.map(({ entry }) => entry)]
  const bytes = Buffer.from(encodePath(names.map((name) => `${name}\0`).join("")))
  if (bytes.length > pathBytes) return undefined
  return { path: bytes, judged, expected: expected && [BigInt(expected.dev), BigInt(expected.ino)], lockInner }
}

const limit = (now: () => number, { patience = defaultPatience }: Tree): Pick<Order, "begin" | "isLate"> => {
  const millis = Duration.toMillis(patience) * nativeShare
  let begunAt: number | undefined
  return {
    begin: () => void (begunAt ??= now()),
    isLate: () => begunAt !== undefined && now() - begunAt >= millis
  }
}

const impatient: Pick<Order, "begin" | "isLate"> = { begin: () => undefined, isLate: () => true }

const makeJob = () => {
  const memory = new ArrayBuffer(headerBytes + maxOrders * orderBytes + listingBytes)
  return {
    bytes: Buffer.from(memory),
    numbers: new Int32Array(memory),
    longs: new BigUint64Array(memory)
  }
}
type Job = ReturnType<typeof makeJob>

const placeIn = (index: number): number => headerBytes + index * orderBytes

const write = ({ bytes, longs, numbers }: Job, orders: ReadonlyArray<Order>): void => {
  numbers[header.count] = orders.length
  orders.forEach((order, index) => {
    const at = placeIn(index)
    const { expected, judged, lockInner } = order
    numbers[(at + state) / 4] = waiting
    numbers[(at + result) / 4] = unknown
    numbers[(at + isKnown) / 4] = expected === undefined ? 0 : 1
    numbers[(at + isLocking) / 4] = lockInner ? 1 : 0
    longs[(at + dev) / 8] = expected?.[0] ?? 0n
    longs[(at + ino) / 8] = expected?.[1] ?? 0n
    longs[(at + judgedCount) / 8] = BigInt(judged.length)
    judged.forEach((each, index) => longs.set(each, (at + firstJudged + index * judgedBytes) / 8))
    order.path.copy(bytes, at + path)
    order.stateWord = numbers.subarray((at + state) / 4, (at + state) / 4 + 1)
  })
}

export const make = (load: () => Call | undefined): Remover => {
  let queue: Array<Order> = []
  const free: Array<Job> = []
  let running = 0

  /** Starts calls until `maxCalls` run. Each takes 1/`maxCalls` of the queue, and leaves the rest for the next call. */
  const startNext = (remove: Call): void => {
    const isNext = () => running < maxCalls && queue.length > 0
    while (isNext()) {
      start(remove, queue.splice(0, Math.min(maxOrders, Math.ceil(queue.length / maxCalls))))
    }
  }

  const start = (remove: Call, orders: ReadonlyArray<Order>): void => {
    const job = free.pop() ?? makeJob()
    write(job, orders)
    for (const { begin } of orders) begin()
    const end = (resultOf: (index: number) => number | undefined) => {
      const ended = orders.map((order, index) => ({ order, result: resultOf(index) }))
      running -= 1
      // The memory may serve another call before these orders are answered.
      for (const order of orders) order.stateWord = undefined
      free.push(job)
      const isOver = ({ order, result }: (typeof ended)[number]) =>
        result === gone || result === left || !order.isWanted || (result === unfinished && order.isLate())
      const [over, rest] = [ended.filter(isOver), ended.filter((each) => !isOver(each))]
      const waitingAgain = (isBegun: boolean) =>
        rest.filter(({ result }) => (result === unfinished) === isBegun).map(({ order }) => order)
      // A large tree goes to the end of the queue, so that it delays no small one.
      queue = [...waitingAgain(false), ...queue, ...waitingAgain(true)]
      startNext(remove)
      for (const { order, result } of over) order.answer(result === gone)
    }
    running += 1
    remove(job.bytes, (wasMade) => end((index) => (wasMade ? job.numbers[(placeIn(index) + result) / 4] : left)))
  }

  /** Takes an order back. `true`: no call will begin the order. */
  const withdraw = (order: Order): boolean => {
    order.isWanted = false
    const index = queue.indexOf(order)
    if (index >= 0) return queue.splice(index, 1).length > 0
    return order.stateWord !== undefined && Atomics.exchange(order.stateWord, 0, unwanted) === waiting
  }

  return (trees, isPatient) =>
    Effect.clockWith((clock) =>
      Effect.callback<ReadonlyArray<boolean>>((resume) => {
        const remove = load()
        const removed = trees.map(() => false)
        const pending = new Set<Order>()
        let ended = (): void => resume(Effect.succeed(removed))
        const orderAt = (index: number, tree: Tree): void => {
          const made = orderOf(tree)
          if (made === undefined) return
          const limited = isPatient ? limit(() => clock.currentTimeMillisUnsafe(), tree) : impatient
          const answer = (isGone: boolean) => {
            removed[index] = isGone
            pending.delete(order)
            if (pending.size === 0) ended()
          }
          const order: Order = { ...made, ...limited, answer, isWanted: true, stateWord: undefined }
          pending.add(order)
        }
        if (remove !== undefined) trees.forEach((tree, index) => orderAt(index, tree))
        if (remove === undefined || pending.size === 0) return ended()
        queue.push(...pending)
        startNext(remove)
        return Effect.callback<void>((stopped) => {
          ended = () => stopped(Effect.void)
          for (const order of pending) if (withdraw(order)) order.answer(false)
        })
      })
    )
}

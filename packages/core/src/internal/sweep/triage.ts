/**
 * Triage of a page keeps each directory whose primary sentinel has the verdict `alive` under any inputs. Every other
 * directory stays open for the careful path. Triage can only keep. Only the careful path can remove.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Observed, Reader } from "../../JudgeInputs.ts"
import type { Layout } from "../../Layout.ts"
import type { Outcome } from "../../Outcome.ts"
import type { Entry, Root } from "../../Root.ts"
import * as Sentinel from "../../Sentinel.ts"
import type { SentinelStore } from "../../SentinelStore.ts"
import * as Slices from "../../Slices.ts"
import { depthForLiveness, judge } from "../../Verdict.ts"
import { hasOwnerPart, type OwnerPart, ownerPart } from "../sentinel/canonicalRecords.ts"
import type { JudgeContext } from "./judgeDirectory.ts"
import * as Outcomes from "./outcomes.ts"

/** A page in two parts, each in the order of the page. */
export interface Triaged {
  readonly kept: ReadonlyArray<Outcome>
  readonly open: ReadonlyArray<Entry>
}

const encoder = new TextEncoder()

/** The bytes of a content that has one character for each byte. */
const bytesOf = (content: string): Uint8Array => {
  const encoded = encoder.encode(content)
  if (encoded.length === content.length) return encoded
  return Uint8Array.from(content, (character) => character.charCodeAt(0))
}

/** The strictest inputs. An owner that is alive under these inputs is alive under any others. */
const strictest: Omit<Reader, "host"> = {
  frame: { id: { dev: "", ino: "" } },
  knowledge: { legacy: "keep", lock: "self", shared: "keep" }
}

/** An owner that was observed. */
interface Owner {
  readonly part: OwnerPart
  /** `undefined`: the owner wasn't seen alive. */
  readonly life: Outcomes.Living | undefined
}

/**
 * Number of pages after which all owners are forgotten. No removal follows from an old answer, because triage only
 * keeps.
 */
const pagesRemembered = 8

/** Number of directories between two looks at the clock. */
const entriesPerClockRead = 32

export const make = (
  store: SentinelStore["Service"],
  { holders, host, inspector, probeLock }: JudgeContext,
  root: Root,
  layout: Layout
): ((page: Arr.NonEmptyReadonlyArray<Entry>) => Effect.Effect<Triaged>) => {
  const outcomeOf = Outcomes.ofLives(root.path)

  const lifeOf = (sentinel: Sentinel.Sentinel, observed: Observed): Effect.Effect<Outcomes.Living | undefined> =>
    Effect.map(host, (host) => {
      const { evidence, reason, verdict } = judge(sentinel, { observed }, { ...strictest, host })
      return verdict === "alive"
        ? { reason, evidence, pid: reason === "lock-held" ? undefined : sentinel.pid }
        : undefined
    })

  const observe = (sentinel: Sentinel.Sentinel, locked: Observed) =>
    Effect.flatMap(inspector.observe(sentinel.pid, depthForLiveness(sentinel)), (process) =>
      lifeOf(sentinel, { ...locked, process })
    )

  /**
   * If holders can still be named, leaves an owner that isn't seen alive to the careful path, which names the holder.
   */
  const lifeUnderLock = (sentinel: Sentinel.Sentinel, locked: Observed) =>
    holders.hasRoom()
      ? Effect.flatMap(observe(sentinel, {}), (life) =>
          life === undefined ? Effect.undefined : lifeOf(sentinel, locked)
        )
      : lifeOf(sentinel, locked)

  /** `owners` doesn't remember this answer, because each directory has its own lock. */
  const lifeByLock = (path: string, sentinel: Sentinel.Sentinel) =>
    Effect.flatMap(probeLock(path), (lockState) =>
      lockState === "shared" || lockState === "exclusive"
        ? lifeUnderLock(sentinel, { lockState })
        : observe(sentinel, lockState === undefined ? {} : { lockState })
    )

  /** Owners of the last pages, by PID. */
  const owners = new Map<number, Owner>()
  let pages = 0

  const ask = Effect.fnUntraced(function* (
    { path }: Entry,
    content: string
  ): Effect.fn.Return<Outcomes.Living | undefined> {
    const parsed = Sentinel.parse(bytesOf(content))
    if (Result.isFailure(parsed)) return undefined
    const sentinel = parsed.success
    if (Sentinel.claimsLock(sentinel)) return yield* lifeByLock(path, sentinel)
    const life = yield* observe(sentinel, {})
    owners.set(sentinel.pid, { part: ownerPart(content), life })
    return life
  })

  const recall = (content: string): Owner | undefined => {
    const owner = owners.get(Number.parseInt(content, 10))
    return owner !== undefined && hasOwnerPart(content, owner.part) ? owner : undefined
  }

  /**
   * Forgets each owner that wasn't seen alive, so that this page observes that owner again. Forgets all owners every 8
   * pages.
   */
  const forget = () => {
    pages += 1
    if (pages % pagesRemembered === 0) owners.clear()
    for (const [pid, { life }] of owners) if (life === undefined) owners.delete(pid)
  }

  return Effect.fnUntraced(function* (page) {
    const peeks = yield* store.peekMany(root, page, layout)
    // The page was decoded in this turn of the event loop. The next turn judges it.
    yield* Effect.yieldNow
    forget()
    const kept: Array<Outcome> = []
    const open: Array<Entry> = []
    const pace = yield* Slices.makePace
    for (let index = 0; index < page.length; index++) {
      const entry = page[index]
      if (entry === undefined) continue
      const peek = peeks[index]
      if (peek === undefined) {
        open.push(entry)
        continue
      }
      const { content, modifiedAt } = peek
      const known = recall(content)
      const life = known === undefined ? yield* ask(entry, content) : known.life
      if (life === undefined) open.push(entry)
      else kept.push(outcomeOf(entry, life, modifiedAt))
      if (index % entriesPerClockRead === entriesPerClockRead - 1) yield* pace
    }
    // Removals take time, and the next pages wait for them. The remembered answers would be old by then.
    if (open.length > 0) owners.clear()
    return { kept, open }
  })
}

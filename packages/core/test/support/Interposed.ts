import { Context, Effect, Layer } from "effect"
import { Disk, DiskError } from "../../src/Disk.ts"

/** The methods of a Disk that take a path first. */
type Method =
  | "realPath"
  | "lstat"
  | "entries"
  | "scan"
  | "read"
  | "create"
  | "link"
  | "rename"
  | "renameNew"
  | "unlink"
  | "makeDirectory"
  | "removeDirectory"
  | "syncDirectory"
  | "removeTree"
  | "mountInside"
  | "frame"
  | "location"
  | "lock"

type Matches = (path: string, to: unknown) => boolean

/** Comes between a store and its Disk, whichever Disk it is. */
export class Interposer extends Context.Service<
  Interposer,
  {
    /** Acts right before the next call of a method, or the next that matches, once. */
    readonly before: <R>(
      method: Method,
      effect: Effect.Effect<unknown, unknown, R>,
      matches?: Matches
    ) => Effect.Effect<void, never, R>
    /** The next call of a method, or the next that matches, fails, and doesn't reach the Disk. */
    readonly fail: (method: Method, errno: string, matches?: Matches) => Effect.Effect<void>
    /** Methods called since the last time this was asked, in order. */
    readonly calls: Effect.Effect<ReadonlyArray<Method>>
  }
>()("test/Interposer") {}

interface Rule {
  readonly method: Method
  readonly matches: Matches
  readonly act: (path: string) => Effect.Effect<void, DiskError>
}

const make = Effect.gen(function* () {
  const disk = yield* Disk
  let rules: ReadonlyArray<Rule> = []
  let called: ReadonlyArray<Method> = []

  /** What comes before a call. */
  const come = (method: Method, path: string, to: unknown) =>
    Effect.suspend(() => {
      called = [...called, method]
      const rule = rules.find((rule) => rule.method === method && rule.matches(path, to))
      rules = rules.filter((other) => other !== rule)
      return rule?.act(path) ?? Effect.void
    })

  const interpose =
    <A extends ReadonlyArray<unknown>, B, R = never>(
      method: Method,
      call: (path: string, ...rest: A) => Effect.Effect<B, DiskError, R>
    ): ((path: string, ...rest: A) => Effect.Effect<B, DiskError, R>) =>
    (path, ...rest) =>
      Effect.andThen(come(method, path, rest[0]), call(path, ...rest))

  const interposed = Disk.of({
    ...disk,
    realPath: interpose("realPath", disk.realPath),
    lstat: interpose("lstat", disk.lstat),
    entries: interpose("entries", disk.entries),
    scan: interpose("scan", disk.scan),
    read: interpose("read", disk.read),
    create: (path, bytesOf) => Effect.andThen(come("create", path, undefined), disk.create(path, bytesOf)),
    link: interpose("link", disk.link),
    rename: interpose("rename", disk.rename),
    renameNew: interpose("renameNew", disk.renameNew),
    unlink: interpose("unlink", disk.unlink),
    makeDirectory: interpose("makeDirectory", disk.makeDirectory),
    removeDirectory: interpose("removeDirectory", disk.removeDirectory),
    syncDirectory: interpose("syncDirectory", disk.syncDirectory),
    removeTree: interpose("removeTree", disk.removeTree),
    mountInside: interpose("mountInside", disk.mountInside),
    frame: interpose("frame", disk.frame),
    location: interpose("location", disk.location),
    lock: interpose("lock", disk.lock)
  })

  const interposer = Interposer.of({
    before: (method, effect, matches = () => true) =>
      Effect.contextWith((context) => {
        const act = () => Effect.asVoid(Effect.orDie(Effect.provideContext(effect, context)))
        rules = [...rules, { method, matches, act }]
        return Effect.void
      }),
    fail: (method, errno, matches = () => true) =>
      Effect.sync(() => {
        const act = (path: string) => Effect.fail(new DiskError({ errno, operation: method, path }))
        rules = [...rules, { method, matches, act }]
      }),
    calls: Effect.sync(() => {
      const since = called
      called = []
      return since
    })
  })

  return Context.make(Disk, interposed).pipe(Context.add(Interposer, interposer))
})

export const layer: Layer.Layer<Disk | Interposer, never, Disk> = Layer.effectContext(make)

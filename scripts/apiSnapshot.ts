/**
 * The public API of each package, as the compiler declares it, without comments: `packages/<name>/api.txt`.
 * `node scripts/apiSnapshot.ts` writes these files. A test checks that they are current.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { type Source, sources } from "./examples.ts"

const root = Path.join(import.meta.dirname, "..")
const tsc = Path.join(root, "node_modules/typescript/bin/tsc")

/** Declares all modules of all packages in `directory`, below their paths in the repository. Skips type checks. */
const declareIn = (directory: string): void => {
  const configuration = {
    extends: `${root}/tsconfig.base.json`,
    compilerOptions: {
      rootDir: root,
      outDir: directory,
      emitDeclarationOnly: true,
      sourceMap: false,
      declarationMap: false,
      removeComments: true,
      noCheck: true,
      typeRoots: [`${root}/node_modules/@types`],
      types: ["node"]
    },
    include: [`${root}/packages/*/src`]
  }
  Fs.writeFileSync(`${directory}/tsconfig.json`, JSON.stringify(configuration))
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", directory], { encoding: "utf8" })
  if (status !== 0) throw new Error(`the modules can't be declared:\n${stdout}`)
}

/** Path of the snapshot of the package that a module belongs to. */
const fileOf = ({ path }: Pick<Source, "path">): string => `${path.split("/").slice(0, 2).join("/")}/api.txt`

/** Texts of all snapshots, by path. */
export const snapshots = (): ReadonlyMap<string, string> => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "vm-sentinel-snapshot-"))
  try {
    declareIn(directory)
    const texts = new Map<string, string>()
    for (const source of sources()) {
      if (!source.isPublic) continue
      const declared = Fs.readFileSync(`${directory}/${source.path.replace(/\.ts$/, ".d.ts")}`, "utf8")
      const file = fileOf(source)
      texts.set(file, `${texts.get(file) ?? ""}// ${source.specifier}\n${declared}\n`)
    }
    return texts
  } finally {
    Fs.rmSync(directory, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  for (const [file, text] of snapshots()) Fs.writeFileSync(Path.join(root, file), text)
}

/**
 * Makes the API reference in `docs/api` from the docstrings, with one page for each public module. Usage:
 * `node tools/docs/reference.ts [DIRECTORY]`.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import {
  Application,
  Comment,
  type Context,
  Converter,
  DeclarationReflection,
  type ProjectReflection,
  ReflectionKind,
  ReflectionType,
  type SomeType
} from "typedoc"
import type { PluginOptions } from "typedoc-plugin-markdown"
import ts from "typescript"
import { sources } from "../../scripts/examples.ts"

const root = Path.join(import.meta.dirname, "../..")
const [out = Path.join(root, "docs/api")] = process.argv.slice(2)
// An index module has no exports of its own.
const published = sources().filter(({ isPublic, module }) => isPublic && module.exports.length > 0)

const markdown: Partial<PluginOptions> = {
  entryFileName: "README",
  excludeScopesInPaths: true,
  expandObjects: false,
  expandParameters: true,
  hideBreadcrumbs: true,
  hidePageHeader: true,
  indexFormat: "table",
  parametersFormat: "table",
  useCodeBlocks: true
}

const app = await Application.bootstrapWithPlugins({
  plugin: ["typedoc-plugin-markdown"],
  entryPoints: published.map(({ path }) => Path.join(root, path)),
  tsconfig: Path.join(root, "tsconfig.json"),
  name: "API reference",
  readme: "none",
  router: "module",
  ...markdown,
  excludePrivate: true,
  excludeTags: ["@since"],
  // The compiler of the workspace checks the sources.
  skipErrorChecking: true,
  disableSources: true,
  logLevel: "Error"
})

interface TypeConverter {
  convertType(context: Context, type: ts.Type | ts.TypeNode | undefined, written?: ts.TypeNode): SomeType
}

/**
 * Shows types by the names that the sources write. The checker would spell out each schema's type at each use. A
 * `typeof Some.Type` is spelled out once, for its fields.
 */
const showNames = (converter: TypeConverter): void => {
  const convertType = converter.convertType.bind(converter)
  converter.convertType = (context, type, written) => {
    if (type !== undefined && "kind" in type && ts.isTypeQueryNode(type)) {
      return convertType(context, context.checker.getTypeFromTypeNode(type))
    }
    const isOurs = written !== undefined && !written.getSourceFile().fileName.includes("/node_modules/")
    return convertType(context, isOurs && !ts.isTypeQueryNode(written) ? written : type, written)
  }
}

showNames(app.converter)

const declarations = (project: ProjectReflection, kind: ReflectionKind): ReadonlyArray<DeclarationReflection> =>
  project.getReflectionsByKind(kind).filter((reflection) => reflection instanceof DeclarationReflection)

/** Gives a module the name by which it is imported, and its first docstring. */
const nameModule = (module: DeclarationReflection): void => {
  const source = published.find(({ path }) => path === `packages/${module.name}.ts`)
  if (source === undefined) return
  module.name = source.specifier
  module.comment = new Comment([{ kind: "text", text: source.module.about }])
}

/** Shows only a class's own members, and a service's methods, without the members of Effect's base classes. */
const pruneClass = (project: ProjectReflection, reflection: DeclarationReflection): void => {
  delete reflection.extendedTypes
  for (const child of reflection.children?.slice() ?? []) {
    if (!child.flags.isExternal && !child.kindOf(ReflectionKind.Constructor)) continue
    if (child.name === "Service" && child.flags.isStatic && child.type instanceof ReflectionType) {
      for (const method of child.type.declaration.children?.slice() ?? []) {
        method.parent = reflection
        reflection.addChild(method)
      }
    }
    project.removeReflection(child)
  }
}

app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
  declarations(project, ReflectionKind.Module).forEach(nameModule)
  for (const reflection of declarations(project, ReflectionKind.Class)) pruneClass(project, reflection)
  for (const reflection of declarations(project, ReflectionKind.All)) {
    delete reflection.inheritedFrom
    delete reflection.overwrites
    delete reflection.implementationOf
  }
})

const project = await app.convert()
if (project === undefined) throw new Error("the sources can't be read")
Fs.rmSync(out, { recursive: true, force: true })
await app.outputs.writeOutput({ name: "markdown", path: out }, project)

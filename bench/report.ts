/** The results as Markdown. */
import type { Machine } from "./machine.ts"
import { labels, titleOf } from "./plot.ts"
import type { Results } from "./results.ts"
import * as SystemCalls from "./systemCalls.ts"
import * as Targets from "./targets.ts"

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map((title) => (title.startsWith(":") ? "---:" : "---")), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replace(/^:/, "")).join(" | ")} |`)
    .join("\n")

const number = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : "–")

const nameOf = (contestant: string): string => labels.get(contestant) ?? contestant

const targets = (results: Results): string =>
  [
    "## Targets\n",
    table(
      ["figure", ":target", ":measured", "met"],
      Targets.of(results).map(({ limit, measured, met, what }) => [
        what,
        limit,
        measured ?? "not measured",
        met === undefined ? "–" : met ? "yes" : "**no**"
      ])
    )
  ].join("\n")

const sweeps = ({ sweeps = [] }: Results): string =>
  [
    "## Sweeps\n",
    "Wall-clock time of the sweep alone; user and system are processor time of the whole process meanwhile. Ratios are the median of the ratios within the rounds.\n",
    table(
      ["root", "who", ":rounds", ":ms", ":µs a directory", ":user ms", ":system ms", ":× floor", ":× plain"],
      sweeps.map(({ contestant, ms, rounds, spec, systemMs, toFloor, toPlain, userMs }) => [
        titleOf(spec),
        nameOf(contestant),
        `${rounds}`,
        number(ms, 1),
        number((ms * 1000) / spec.size, 1),
        number(userMs, 0),
        number(systemMs, 0),
        number(toFloor, 2),
        number(toPlain, 2)
      ])
    )
  ].join("\n")

const delays = ({ delays = [] }: Results): string =>
  [
    "## Event-loop delay\n",
    "Milliseconds, by `monitorEventLoopDelay` with an interval of 1 ms, which each figure contains. Medians of the rounds, and the longest of all of them. `idle` does nothing: what it shows is the machine's own.\n",
    table(
      ["root", "who", ":p50", ":p99", ":max", ":longest"],
      delays.map(({ contestant, max, p50, p99, spec, worst }) => [
        contestant === "idle" ? "none" : titleOf(spec),
        nameOf(contestant),
        ...[p50, p99, max, worst].map((value) => number(value, 1))
      ])
    )
  ].join("\n")

const memory = ({ memory = [] }: Results): string =>
  [
    "## Memory\n",
    "`VmHWM` at the end of the sweep, set to what was resident at its beginning; MiB.\n",
    table(
      ["who", "dead", ":directories", ":peak", ":directories", ":peak", ":growth"],
      memory.map(({ contestant, dead, large, largePeak, small, smallPeak }) => [
        nameOf(contestant),
        `${dead} %`,
        `${small}`,
        number(smallPeak / 1024, 1),
        `${large}`,
        number(largePeak / 1024, 1),
        number((largePeak - smallPeak) / 1024, 1)
      ])
    )
  ].join("\n")

const systemCalls = ({ systemCalls = [] }: Results): string => {
  const runtimes = (row: SystemCalls.Row, isRuntime: boolean) =>
    row.calls
      .filter(({ count, name }) => SystemCalls.runtimes.has(name) === isRuntime && count >= 0.05)
      .map(({ count, name }) => `${name} ${count.toFixed(count >= 0.95 ? 1 : 2)}`)
      .join(", ")
  return [
    "## System calls for one directory\n",
    "`strace -c -f`: a sweep of 2N directories less one of N, divided by N. The total leaves out what V8 and libuv call for themselves: memory, threads, waiting.\n",
    table(
      ["who", "dead", "kind", ":total", "calls", "the runtime's own"],
      systemCalls.map((row) => [
        nameOf(row.contestant),
        `${row.dead} %`,
        row.kind,
        number(row.total, 1),
        runtimes(row, false),
        runtimes(row, true)
      ])
    )
  ].join("\n")
}

const startup = ({ startup = [] }: Results): string =>
  [
    "## Start-up\n",
    table(
      ["command", "from", ":ms", ":× node -e 0"],
      startup.map(({ command, form, ms, ratio }) => [`\`${command}\``, form ?? "", number(ms, 1), number(ratio, 2)])
    )
  ].join("\n")

const details = ({ details = [] }: Results): string =>
  [
    "## Single steps\n",
    table(
      ["step", ":µs"],
      details.map(({ microseconds, name }) => [name, number(microseconds, 2)])
    )
  ].join("\n")

const introduction = (machine: Machine): string =>
  `# Benchmarks

Made by \`npm run bench\`; what is measured, and how, is told in [bench/README.md](../bench/README.md).

${table(
  ["", ""],
  [
    ["processor", machine.processor],
    ["memory", machine.memory],
    ["kernel", machine.kernel],
    ["file system", machine.fileSystem],
    ["Node", machine.node],
    ["date", machine.date],
    ["load at the start", machine.load]
  ]
)}`

/** The report, with a section for each part that was measured. */
export const render = (machine: Machine, results: Results, picture: string | undefined): string =>
  [
    introduction(machine),
    targets(results),
    ...(picture === undefined ? [] : [`![Time of a sweep for one directory](${picture})`]),
    ...(results.sweeps === undefined ? [] : [sweeps(results)]),
    ...(results.delays === undefined ? [] : [delays(results)]),
    ...(results.memory === undefined ? [] : [memory(results)]),
    ...(results.systemCalls === undefined ? [] : [systemCalls(results)]),
    ...(results.startup === undefined ? [] : [startup(results)]),
    ...(results.details === undefined ? [] : [details(results)])
  ].join("\n\n") + "\n"

import { assert, it } from "@effect/vitest"
import { Condemned, type judge } from "../src/Condemned.ts"
import type { DirectoryState } from "../src/DirectoryState.ts"
import type { JudgeInputs } from "../src/JudgeInputs.ts"
import { decide } from "../src/Judgement.ts"

/** Each of these is checked by the compiler: a line that began to compile would be an error. None of it is ever run. */
export const rejected = (
  state: DirectoryState,
  take: (condemned: Condemned) => void,
  recorded: JudgeInputs,
  judgeLive: typeof judge
): void => {
  // @ts-expect-error the constructor is private
  take(new Condemned(Symbol("Condemned"), state, "pid-dead"))
  // @ts-expect-error a structure isn't one: the class has a private member
  take({ path: "/vms/a", reason: "pid-dead", difference: () => undefined })
  const structure = { path: state.path, reason: "pid-dead" as const, difference: () => undefined }
  // @ts-expect-error nor is a variable of one
  take(structure)
  // @ts-expect-error nor is a path
  take(state.path)
  // @ts-expect-error nor is the state it would be made of
  take(state)
  // @ts-expect-error nothing is condemned where the judgement didn't say so
  take(undefined)
  // @ts-expect-error a decision about recorded inputs has none
  take(decide(recorded).condemned)
  // @ts-expect-error nor is it one
  take(decide(recorded))
  // @ts-expect-error recorded inputs aren't a directory that lives
  judgeLive(recorded)
  // @ts-expect-error nor the part of one
  judgeLive({ ...recorded, state: recorded, observed: [] })
  // @ts-expect-error what it is bound to is its own
  void ((condemned: Condemned) => condemned.state)
  // @ts-expect-error the path can't be set
  void ((condemned: Condemned) => (condemned.path = "/home"))
  // @ts-expect-error nor the reason
  void ((condemned: Condemned) => (condemned.reason = "rebooted"))
  // @ts-expect-error a class with a private constructor can't be extended
  void class extends Condemned {}
}

it("a value is a Condemned only where it was made by a judgement", () => {
  const values: ReadonlyArray<unknown> = [{}, Condemned, Condemned.prototype]
  assert.deepStrictEqual(
    values.map((value) => Condemned.is(value)),
    [false, false, false]
  )
})

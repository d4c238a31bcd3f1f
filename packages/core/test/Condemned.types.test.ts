import { assert, it } from "@effect/vitest"
import { Condemned, type judge } from "../src/Condemned.ts"
import type { DirectoryState } from "../src/DirectoryState.ts"
import type { JudgeInputs } from "../src/JudgeInputs.ts"
import { decide } from "../src/Judgement.ts"

/** The compiler checks each line. A line that compiles is an error. The code never runs. */
export const rejected = (
  state: DirectoryState,
  take: (condemned: Condemned) => void,
  recorded: JudgeInputs,
  judgeLive: typeof judge
): void => {
  // @ts-expect-error the constructor is private
  take(new Condemned(Symbol("Condemned"), state, "pid-dead"))
  // @ts-expect-error an object of the same shape: the class has a private member
  take({ path: "/vms/a", reason: "pid-dead", difference: () => undefined })
  const structure = { path: state.path, reason: "pid-dead" as const, difference: () => undefined }
  // @ts-expect-error a variable of the same shape
  take(structure)
  // @ts-expect-error a path
  take(state.path)
  // @ts-expect-error a directory's state
  take(state)
  // @ts-expect-error `undefined`, which a judgement gives that isn't dead
  take(undefined)
  // @ts-expect-error a decision about recorded inputs gives no `Condemned`
  take(decide(recorded).condemned)
  // @ts-expect-error a decision about recorded inputs
  take(decide(recorded))
  // @ts-expect-error `judge` takes no recorded inputs
  judgeLive(recorded)
  // @ts-expect-error `judge` takes no recorded inputs as its state
  judgeLive({ ...recorded, state: recorded, observed: [] })
  // @ts-expect-error the state is private
  void ((condemned: Condemned) => condemned.state)
  // @ts-expect-error the path is read-only
  void ((condemned: Condemned) => (condemned.path = "/home"))
  // @ts-expect-error the reason is read-only
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

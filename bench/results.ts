/** All results of a run. A key is missing if its part was not measured. */
import type * as Delays from "./delays.ts"
import type * as Details from "./details.ts"
import type * as Memory from "./memory.ts"
import type * as Startup from "./startup.ts"
import type * as Sweeps from "./sweeps.ts"
import type * as SystemCalls from "./systemCalls.ts"

export interface Results {
  readonly sweeps?: ReadonlyArray<Sweeps.Row>
  readonly delays?: ReadonlyArray<Delays.Row>
  readonly memory?: ReadonlyArray<Memory.Row>
  readonly systemCalls?: ReadonlyArray<SystemCalls.Row>
  readonly startup?: ReadonlyArray<Startup.Row>
  readonly details?: ReadonlyArray<Details.Figure>
}

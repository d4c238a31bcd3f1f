/**
 * Keeps the V8 heap of this process small.
 *
 * @since 0.1.0
 */

/**
 * Makes V8 collect garbage more often, so that a long sweep needs little more memory than a short one. The objects of
 * one directory are garbage when the sweep reaches the next directory. A young generation that stays at two semi-spaces
 * of 1 MiB holds them, and the old generation is collected before it has grown by 20 %.
 *
 * **Gotchas**
 *
 * V8 reads both flags at each decision, so they can be set while V8 runs. A new worker resets the first one. As
 * arguments of Node they would need `env -S` in the first line of the command, which busybox doesn't have.
 *
 * @category memory
 * @since 0.1.0
 */
export const keepSmall = (): void => {
  // Loading `node:v8` takes about 10 ms, so only a long sweep loads it.
  const V8 = process.getBuiltinModule("node:v8")
  V8.setFlagsFromString("--semi-space-growth-factor=1")
  V8.setFlagsFromString("--heap-growing-percent=20")
}

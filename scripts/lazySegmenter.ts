/**
 * `Intl.Segmenter` in the bundled command. Effect's command line makes one when it is loaded, which takes 17 ms, and uses
 * it only for the width of text. This one is made at its first use.
 */
const { Segmenter: Made } = Intl

export class Segmenter {
  readonly #make: () => Intl.Segmenter
  #made: Intl.Segmenter | undefined

  constructor(...options: ConstructorParameters<typeof Made>) {
    this.#make = () => new Made(...options)
  }

  segment(text: string): Intl.Segments {
    this.#made ??= this.#make()
    return this.#made.segment(text)
  }
}

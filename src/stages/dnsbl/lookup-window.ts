import type { Clock } from "../../base/clock.ts";

interface Slice {
  readonly startedAt: number;
  looked: number;
  listed: number;
}

/** A minute of clients is looked at together, in slices that leave one after the other. */
const WINDOW_MS = 60_000;
const SLICE_MS = 5000;
/** Where fewer came in that minute, older ones stay in sight until there are so many, */
const LEAST_CLIENTS = 20;
/** but none beyond this. */
const OLDEST_MS = 60 * 60 * 1000;
/** Networks that are remembered, so that each counts once in a minute; then they count each time. */
const MAX_NETWORKS = 20_000;

/** The last clients that a zone was asked for. What leaves it is told. */
export class LookupWindow {
  readonly #clock: Clock;
  readonly #onOld: (slice: { readonly looked: number; readonly listed: number }) => void;
  #slices: Slice[] = [];
  #looked = 0;
  #listed = 0;
  #networks = new Set<string>();
  #networksSince = 0;

  constructor(
    clock: Clock,
    onOld: (slice: { readonly looked: number; readonly listed: number }) => void,
  ) {
    this.#clock = clock;
    this.#onOld = onOld;
  }

  add(network: string, isListed: boolean): void {
    const now = this.#clock.monotonic();
    if (this.#wasSeen(network, now)) return;
    let slice = this.#slices.at(-1);
    if (!slice || now - slice.startedAt >= SLICE_MS) {
      slice = { startedAt: now, looked: 0, listed: 0 };
      this.#slices.push(slice);
    }
    slice.looked += 1;
    this.#looked += 1;
    if (isListed) {
      slice.listed += 1;
      this.#listed += 1;
    }
    this.#forget(now);
  }

  /** `isEnough`: so many that their share says something. */
  sum(): { readonly looked: number; readonly listed: number; readonly isEnough: boolean } {
    this.#forget(this.#clock.monotonic());
    const [looked, listed] = [this.#looked, this.#listed];
    return { looked, listed, isEnough: looked >= LEAST_CLIENTS };
  }

  #wasSeen(network: string, now: number): boolean {
    if (now - this.#networksSince >= WINDOW_MS || this.#networks.size >= MAX_NETWORKS) {
      this.#networks.clear();
      this.#networksSince = now;
    }
    if (this.#networks.has(network)) return true;
    this.#networks.add(network);
    return false;
  }

  #forget(now: number): void {
    for (let first = this.#slices[0]; first !== undefined; first = this.#slices[0]) {
      const age = now - first.startedAt;
      const isSpare = this.#looked - first.looked >= LEAST_CLIENTS;
      if (age < WINDOW_MS || (!isSpare && age < OLDEST_MS)) return;
      this.#slices.shift();
      this.#looked -= first.looked;
      this.#listed -= first.listed;
      this.#onOld(first);
    }
  }
}

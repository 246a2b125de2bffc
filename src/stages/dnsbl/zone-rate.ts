import type { Clock } from "../../base/clock.ts";
import { LookupWindow } from "./lookup-window.ts";

/** `breaker` of dnsbl.yaml. */
export interface BreakerOptions {
  /** N: a zone is demoted when it lists N times its baseline, or when N times fewer are clean. */
  readonly factor: number;
  /** The share of clients that it lists; null: what it has been seen to list, once that is known. */
  readonly baseline: number | null;
}

/** What outlives the process. */
export interface KeptRate {
  readonly listed: number;
  readonly looked: number;
  readonly demoted: string | null;
}

/** Clients that a zone must have been asked for before its own rate is one. */
const LEAST_LEARNT = 1000;
/** What was learnt counts half after so many clients: the newer half of a busy week, about. */
const LEARNT_MOST = 100_000;
/** A demoted zone is believed again no sooner: its keeper may be at work. */
const LEAST_DEMOTED_MS = 15 * 60 * 1000;

/**
 * How often one zone lists clients that no other list knows, and whether that is much more than it
 * does by habit: then it is demoted, and its listings refuse nobody. Clients that other lists name too
 * do not count, since a wave of spam is no fault of the list that sees it. A list that begins to list
 * everybody is found within `1 - 1/N` of a minute, or twenty clients where there are fewer in that time.
 */
export class ZoneRate {
  readonly #clock: Clock;
  readonly #window: LookupWindow;
  #listed: number;
  #looked: number;
  #demoted: { readonly reason: string; readonly at: number } | null;

  constructor(clock: Clock, kept: KeptRate | null) {
    this.#clock = clock;
    this.#listed = kept?.listed ?? 0;
    this.#looked = kept?.looked ?? 0;
    const at = clock.monotonic();
    this.#demoted = kept?.demoted ? { reason: kept.demoted, at } : null;
    // What is demoted must not teach what is usual.
    this.#window = new LookupWindow(clock, (old) => {
      if (this.#demoted === null) this.#learn(old);
    });
  }

  /** One client; `network` so that one who comes again and again counts once. */
  note(network: string, isListed: boolean): void {
    this.#window.add(network, isListed);
  }

  /** Null: as usual. Otherwise why its listings count as a score and refuse nobody. */
  demotion(options: BreakerOptions | null): string | null {
    if (options === null) return null;
    const baseline = this.#baseline(options);
    if (baseline === null) return this.#demoted?.reason ?? null;
    const { looked, listed, isEnough } = this.#window.sum();
    if (!isEnough) return this.#demoted?.reason ?? null;
    const isWild = listed / looked >= tooMany(baseline, options.factor);
    if (isWild && this.#demoted === null) {
      const share = `${listed} of the last ${looked} clients`;
      const reason = `it lists ${share}, by habit ${Math.round(baseline * 100)} in 100`;
      this.#demoted = { reason, at: this.#clock.monotonic() };
    } else if (!isWild && this.#demoted !== null) {
      const sinceMs = this.#clock.monotonic() - this.#demoted.at;
      if (sinceMs >= LEAST_DEMOTED_MS) this.#demoted = null;
    }
    return this.#demoted?.reason ?? null;
  }

  kept(): KeptRate {
    const { listed, looked } = this.#demoted ? { listed: 0, looked: 0 } : this.#window.sum();
    return {
      listed: this.#listed + listed,
      looked: this.#looked + looked,
      demoted: this.#demoted?.reason ?? null,
    };
  }

  #baseline({ baseline }: BreakerOptions): number | null {
    if (baseline !== null) return baseline;
    return this.#looked < LEAST_LEARNT ? null : this.#listed / this.#looked;
  }

  #learn({ looked, listed }: { readonly looked: number; readonly listed: number }): void {
    this.#looked += looked;
    this.#listed += listed;
    if (this.#looked <= LEARNT_MOST) return;
    this.#looked /= 2;
    this.#listed /= 2;
  }
}

/** A zone that lists little may not list N times as many, one that lists most not leave N times fewer. */
export function tooMany(baseline: number, factor: number): number {
  const share = Math.max(baseline, LEAST_BASELINE);
  return Math.min(share * factor, 1 - (1 - share) / factor);
}

/** A list that knows almost nobody is not wild when it finds its first few. */
const LEAST_BASELINE = 0.05;

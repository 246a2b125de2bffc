/** How a zone is watched for a sudden jump of what it lists. */
export interface BreakerRules {
  /** So many times the usual odds are too much. */
  readonly factor: number;
  /** Clients that must have been asked for before what was seen counts as usual. */
  readonly sample: number;
  /** Listed clients, at least, that make a jump. */
  readonly least: number;
  /** The share of clients that counts as usual before that. */
  readonly usual: number;
}

/** Clients, and how many of them a zone listed that no other zone did. */
export interface HitShare {
  readonly asked: number;
  readonly hits: number;
}

export type BreakerState = "trusted" | "demoted";

interface Bucket {
  readonly at: number;
  asked: number;
  hits: number;
  /** It may become part of what is usual. */
  isLearned: boolean;
}

const BUCKET_MS = 5000;
/** What happened in it is judged: in this time a zone that lists the whole world is found out. */
const WINDOW_MS = 60_000;
/** Where few clients come, more time is looked at, up to this. */
const LONGEST_WINDOW_MS = 60 * 60 * 1000;
/** A zone that hardly lists anybody is not demoted for two clients instead of one. */
const LEAST_SHARE = 0.02;
/** A zone that lists nearly everybody of what comes here still has a jump: to everybody. */
const MOST_SHARE = 0.98;

/**
 * Tells when one zone lists far more clients than it used to. Shares are compared as odds (listed to
 * not listed), because a zone that usually lists half of all clients cannot list five times as many.
 * Times are monotonic.
 */
export class HitRateBreaker {
  readonly #buckets: Bucket[] = [];
  #demotedAt: number | null;

  constructor(demotedAt: number | null) {
    this.#demotedAt = demotedAt;
  }

  state(): BreakerState {
    return this.#demotedAt === null ? "trusted" : "demoted";
  }

  add(now: number, { asked, hits }: HitShare): void {
    const last = this.#buckets.at(-1);
    if (last && now - last.at < BUCKET_MS) {
      last.asked += asked;
      last.hits += hits;
    } else {
      this.#buckets.push({ at: now, asked, hits, isLearned: this.#demotedAt === null });
    }
  }

  /** Looks at the last minute; the new state when it has changed. */
  judge(now: number, usual: HitShare, rules: BreakerRules): BreakerState | null {
    const recent = this.recent(now, rules.least);
    const limit = rules.factor * oddsOf(usualShare(usual, rules));
    const odds = oddsOf(shareOf(recent));
    if (this.#demotedAt === null) {
      if (recent.hits < rules.least || odds < limit) return null;
      this.#demotedAt = now;
      for (const bucket of this.#buckets) bucket.isLearned = false;
      return "demoted";
    }
    const isLongEnough = now - this.#demotedAt >= WINDOW_MS && recent.asked >= rules.least;
    // Half way back, so that a zone on the border does not come and go.
    if (!isLongEnough || odds >= limit / 2) return null;
    this.#demotedAt = null;
    return "trusted";
  }

  /** Of the last minute, or of as much more as `least` clients take. */
  recent(now: number, least: number): HitShare {
    let [asked, hits] = [0, 0];
    for (const bucket of this.#buckets.toReversed()) {
      if (bucket.at <= now - WINDOW_MS && asked >= least) break;
      if (bucket.at < (this.#demotedAt ?? Number.NEGATIVE_INFINITY)) break;
      asked += bucket.asked;
      hits += bucket.hits;
    }
    return { asked, hits };
  }

  /** Gives what is too old to be judged any more, and counts as usual from now on. */
  retire(now: number, least: number): HitShare {
    let newer = this.#buckets.reduce((sum, { asked }) => sum + asked, 0);
    let [asked, hits] = [0, 0];
    for (;;) {
      const [oldest] = this.#buckets;
      if (!oldest) break;
      newer -= oldest.asked;
      const isNeeded = oldest.at > now - WINDOW_MS || newer < least;
      if (isNeeded && oldest.at > now - LONGEST_WINDOW_MS) break;
      this.#buckets.shift();
      if (!oldest.isLearned) continue;
      asked += oldest.asked;
      hits += oldest.hits;
    }
    return { asked, hits };
  }
}

/** What the zone is measured against. */
export function usualShare(learned: HitShare, { sample, usual }: BreakerRules): number {
  const share = learned.asked >= sample ? shareOf(learned) : usual;
  return Math.min(MOST_SHARE, Math.max(LEAST_SHARE, share));
}

function shareOf({ asked, hits }: HitShare): number {
  return asked === 0 ? 0 : hits / asked;
}

function oddsOf(share: number): number {
  return share >= 1 ? Number.POSITIVE_INFINITY : share / (1 - share);
}

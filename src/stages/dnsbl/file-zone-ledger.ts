import { readFile } from "node:fs/promises";
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Metrics } from "../../base/metrics.ts";
import { replaceFile } from "../../base/replace-file.ts";
import { startRounds } from "../../base/rounds.ts";
import { HitRateBreaker, type HitShare, usualShare } from "./hit-rate-breaker.ts";
import {
  addCounts,
  bookSchema,
  labelsOf,
  talliesOf,
  withTally,
  type ZoneBook,
} from "./zone-book.ts";
import type { DemotedZone, ZoneCounts, ZoneLedger, ZoneStats } from "./zone-ledger.ts";

export interface FileZoneLedger extends ZoneLedger {
  /** Of the days that are kept, by name. */
  stats(): readonly ZoneStats[];
  /** Writes down what is not written yet. */
  close(): Promise<void>;
}

export interface FileZoneLedgerOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** What a crash may take with it: a minute of what is learned over days. */
const SAVE_EVERY_MS = 60_000;
const EMPTY_BOOK: ZoneBook = { days: {}, demoted: {} };

/**
 * Of the one process of a gateway that keeps it. A zone that lists many times more clients than it
 * used to is demoted: what it lists still counts as spam score, and refuses nobody, until it is back
 * at what was usual. That is told once.
 */
export async function openFileZoneLedger(options: FileZoneLedgerOptions): Promise<FileZoneLedger> {
  const ledger = new Ledger(options, await readBook(options));
  const stop = startRounds(options.clock, SAVE_EVERY_MS, () => ledger.save());
  return {
    report: async (counts) => ledger.report(counts),
    stats: () => ledger.stats(),
    async close() {
      stop();
      await ledger.save();
    },
  };
}

class Ledger {
  readonly #options: FileZoneLedgerOptions;
  readonly #demotions: ReturnType<Metrics["counter"]>;
  readonly #breakers = new Map<string, HitRateBreaker>();
  readonly #last = new Map<string, ZoneCounts>();
  #book: ZoneBook;
  #isSaved = true;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: FileZoneLedgerOptions, book: ZoneBook) {
    const { metrics, clock } = options;
    this.#options = options;
    this.#book = book;
    for (const label of Object.keys(book.demoted))
      this.#breakers.set(label, new HitRateBreaker(clock.monotonic()));
    this.#demotions = metrics.counter(
      "postern_dnsbl_demotions_total",
      "DNSBL zones that were not let refuse any more, because they listed far more than usual",
      ["zone"],
    );
    metrics.gauge(
      "postern_dnsbl_zones_demoted",
      "DNSBL zones that refuse nobody, because they list far more than usual",
      () => Object.keys(this.#book.demoted).length,
    );
  }

  report(counts: readonly ZoneCounts[]): readonly DemotedZone[] {
    for (const one of counts) this.#take(one);
    return Object.entries(this.#book.demoted).map(([label, reason]) => ({ label, reason }));
  }

  stats(): readonly ZoneStats[] {
    return labelsOf(this.#book).map((zone) => {
      const { learnedAsked, learnedHits, totalMs, ...sum } = talliesOf(this.#book, zone);
      const { asked, listed, lone, failed, slowestMs, shared } = sum;
      const last = this.#last.get(zone);
      const sample = last?.rules?.sample ?? 1;
      return {
        zone,
        asked,
        listed,
        lone,
        failed,
        meanMs: asked + failed === 0 ? null : totalMs / (asked + failed),
        slowestMs,
        shared,
        usual: learnedAsked >= sample ? learnedHits / learnedAsked : null,
        standing: last?.standing ?? "not asked since the start",
        demoted: this.#book.demoted[zone] ?? null,
      };
    });
  }

  /** One after the other: the last book wins. */
  save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#write());
    return this.#saving;
  }

  async #write(): Promise<void> {
    if (this.#isSaved) return;
    const { path, log } = this.#options;
    this.#isSaved = true;
    try {
      await replaceFile(path, `${JSON.stringify(this.#book)}\n`);
    } catch (error) {
      this.#isSaved = false;
      log.warn("dnsbl-zones-not-saved", { path, reason: errorText(error) });
    }
  }

  /** A crash must not cost another minute of wrong refusals. */
  #saveNow(): void {
    this.#isSaved = false;
    void this.save();
  }

  #take(counts: ZoneCounts): void {
    const { label, rules } = counts;
    const { clock } = this.#options;
    const now = clock.monotonic();
    const day = new Date(clock.now()).toISOString().slice(0, 10);
    this.#last.set(label, counts);
    this.#isSaved = false;
    const breaker = this.#breakers.get(label) ?? new HitRateBreaker(null);
    this.#breakers.set(label, breaker);
    const usual = this.#usual(label);
    if (rules === null) this.#restore(label);
    else {
      breaker.add(now, { asked: counts.asked, hits: counts.lone });
      const learned = breaker.retire(now, rules.least);
      this.#book = withTally(this.#book, day, label, (before) => ({
        ...before,
        learnedAsked: before.learnedAsked + learned.asked,
        learnedHits: before.learnedHits + learned.hits,
      }));
      const changed = breaker.judge(now, usual, rules);
      if (changed === "demoted") {
        const recent = breaker.recent(now, rules.least);
        this.#demote(label, reasonOf(recent, usualShare(usual, rules)));
      }
      if (changed === "trusted") this.#restore(label);
    }
    this.#book = withTally(this.#book, day, label, (before) => addCounts(before, counts));
  }

  #usual(label: string): HitShare {
    const { learnedAsked: asked, learnedHits: hits } = talliesOf(this.#book, label);
    return { asked, hits };
  }

  #demote(label: string, reason: string): void {
    this.#book = { ...this.#book, demoted: { ...this.#book.demoted, [label]: reason } };
    this.#demotions.add({ zone: label });
    this.#options.log.error("dnsbl-zone-demoted", { zone: label, reason });
    this.#saveNow();
  }

  #restore(label: string): void {
    if (!Object.hasOwn(this.#book.demoted, label)) return;
    const { [label]: _, ...demoted } = this.#book.demoted;
    this.#book = { ...this.#book, demoted };
    this.#breakers.delete(label);
    this.#options.log.info("dnsbl-zone-trusted-again", { zone: label });
    this.#saveNow();
  }
}

function reasonOf({ asked, hits }: HitShare, usual: number): string {
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  return `it alone lists ${percent(hits / asked)} of ${asked} clients, ${percent(usual)} is usual`;
}

async function readBook({ path, log }: FileZoneLedgerOptions): Promise<ZoneBook> {
  try {
    return bookSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    // What was learned is learned again; a guess meanwhile is `usual` of the policy.
    if (!isMissing) log.warn("dnsbl-zones-unreadable", { path, reason: errorText(error) });
    return EMPTY_BOOK;
  }
}

import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { prefixKey } from "../../net/ip.ts";
import type { BreakerRules } from "./hit-rate-breaker.ts";
import type { ZoneCounts, ZoneLedger } from "./zone-ledger.ts";

/** What one zone said of one client. */
export interface ZoneSaid {
  readonly label: string;
  /** `good` and `bad`: it lists the client, by the sign of its score. */
  readonly said: "bad" | "good" | "clean" | "nothing";
  readonly ms: number;
  readonly standing: string;
}

/** Counts what zones say, tells it to the ledger, and knows what the ledger makes of it. */
export interface ZoneTally {
  count(ip: string, all: readonly ZoneSaid[], rules: BreakerRules | null): void;
  /** Why this zone may not refuse anybody; null: it may. */
  demoted(label: string): string | null;
  close(): void;
}

/** Wrong refusals after a jump come to at most a minute; this is the least part of it. */
const TELL_AFTER_MS = 1000;
/**
 * A client that comes again and again counts once a minute: one listed client that knocks at our
 * door all day must not make its zone look mad.
 */
const SAME_CLIENT_MS = 60_000;
/** Some 5 MB. Those seen longest ago go first, and count again. */
const MAX_CLIENTS = 20_000;

type Draft = { -readonly [K in keyof ZoneCounts]: ZoneCounts[K] } & {
  shared: Record<string, number>;
};

export function createZoneTally(
  ledger: ZoneLedger,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): ZoneTally {
  const seen = new Map<string, number>();
  let drafts = new Map<string, Draft>();
  let demoted: ReadonlyMap<string, string> = new Map();
  let cancel = () => {};
  let isTelling = false;
  let isClosed = false;

  const tell = async (counts: readonly ZoneCounts[]) => {
    try {
      const all = await ledger.report(counts);
      demoted = new Map(all.map(({ label, reason }) => [label, reason]));
    } catch (error) {
      // What it last said holds on; the counts of a second are no loss.
      if (!isClosed) log.warn("dnsbl-zones-not-told", { reason: errorText(error) });
    }
  };
  const schedule = () => {
    if (isTelling || isClosed) return;
    isTelling = true;
    cancel = clock.after(TELL_AFTER_MS, () => {
      const counts = [...drafts.values()];
      drafts = new Map();
      void tell(counts).finally(() => {
        isTelling = false;
        if (drafts.size > 0) schedule();
      });
    });
  };
  // What was found out before a restart holds from the first client on.
  void tell([]);
  return {
    count(ip, all, rules) {
      if (isRepeated(seen, prefixKey(ip), clock.monotonic())) return;
      for (const one of all) addTo(drafts, one, all, rules);
      if (all.length > 0) schedule();
    },
    demoted: (label) => demoted.get(label) ?? null,
    close() {
      isClosed = true;
      cancel();
    },
  };
}

function isRepeated(seen: Map<string, number>, key: string, now: number): boolean {
  const before = seen.get(key);
  if (before !== undefined && now - before < SAME_CLIENT_MS) return true;
  seen.delete(key);
  seen.set(key, now);
  for (const oldest of seen.size > MAX_CLIENTS ? seen.keys().take(1) : []) seen.delete(oldest);
  return false;
}

function addTo(
  drafts: Map<string, Draft>,
  { label, said, ms, standing }: ZoneSaid,
  all: readonly ZoneSaid[],
  rules: BreakerRules | null,
): void {
  const draft = drafts.get(label) ?? emptyDraft(label);
  drafts.set(label, draft);
  draft.standing = standing;
  draft.rules = rules;
  draft.totalMs += ms;
  draft.slowestMs = Math.max(draft.slowestMs, ms);
  if (said === "nothing") {
    draft.failed += 1;
    return;
  }
  draft.asked += 1;
  if (said === "clean") return;
  draft.listed += 1;
  const others = all.filter((one) => one.label !== label && one.said === said);
  if (others.length === 0) draft.lone += 1;
  for (const other of others) draft.shared[other.label] = (draft.shared[other.label] ?? 0) + 1;
}

function emptyDraft(label: string): Draft {
  return {
    label,
    asked: 0,
    listed: 0,
    lone: 0,
    failed: 0,
    totalMs: 0,
    slowestMs: 0,
    shared: {},
    standing: "",
    rules: null,
  };
}

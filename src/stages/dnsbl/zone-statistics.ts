import { z } from "zod";

/** What the lists said of the clients of many transactions, each client counted once. Plain JSON. */
export interface ZoneStatistics {
  readonly clients: number;
  /** How many clients exactly these zones list; in no order. Enough to answer what a zone is worth. */
  readonly patterns: readonly { readonly listedBy: readonly string[]; readonly clients: number }[];
  readonly zones: readonly ZoneCount[];
}

export interface ZoneCount {
  readonly zone: string;
  /** Clients that it said something about. */
  readonly answered: number;
  /** Clients that it said nothing about: no answer, a refusal, or not asked because it was disabled. */
  readonly silent: number;
  /** The last reason for that; null: none. */
  readonly reason: string | null;
  /** Clients for which it was asked and the time is known, with an answer or without; all of that time. */
  readonly asked: number;
  readonly totalMs: number;
  /** Why listings of it refused nobody, at the last of them; null: they did. */
  readonly demoted: string | null;
}

/** Stored evidence may be of another version: what has not this shape is passed over. */
const storedEvidence = z.object({
  client: z.string(),
  zones: z.array(
    z.object({
      zone: z.string(),
      status: z.string(),
      reason: z.string().optional(),
      demoted: z.string().optional(),
      tookMs: z.number().min(0).optional(),
    }),
  ),
});

type Said = z.infer<typeof storedEvidence>["zones"][number];

/** Evidence of the stage `dnsbl`, newest first. */
export async function countZones(
  evidence: AsyncIterable<{ readonly evidence: unknown }>,
): Promise<ZoneStatistics> {
  const clients = new Set<string>();
  const patterns = new Map<string, number>();
  const zones = new Map<string, ZoneCount>();
  for await (const one of evidence) {
    const read = storedEvidence.safeParse(one.evidence);
    if (!read.success || clients.has(read.data.client)) continue;
    clients.add(read.data.client);
    for (const said of read.data.zones) zones.set(said.zone, add(zones.get(said.zone), said));
    const listedBy = read.data.zones.filter(({ status }) => status === "listed");
    const key = listedBy
      .map(({ zone }) => zone)
      .toSorted()
      .join(" ");
    patterns.set(key, (patterns.get(key) ?? 0) + 1);
  }
  return {
    clients: clients.size,
    patterns: [...patterns].map(([key, count]) => ({
      listedBy: key === "" ? [] : key.split(" "),
      clients: count,
    })),
    zones: [...zones.values()].toSorted((a, b) => (a.zone < b.zone ? -1 : 1)),
  };
}

const NOTHING: Omit<ZoneCount, "zone"> = {
  answered: 0,
  silent: 0,
  asked: 0,
  totalMs: 0,
  reason: null,
  demoted: null,
};

function add(before: ZoneCount | undefined, said: Said): ZoneCount {
  const isAnswer = said.status === "listed" || said.status === "clean";
  const newest = before ?? { ...NOTHING, zone: said.zone };
  return {
    ...newest,
    answered: newest.answered + (isAnswer ? 1 : 0),
    silent: newest.silent + (isAnswer ? 0 : 1),
    asked: newest.asked + (said.tookMs === undefined ? 0 : 1),
    totalMs: newest.totalMs + (said.tookMs ?? 0),
    reason: newest.reason ?? (isAnswer ? null : (said.reason ?? said.status)),
    demoted: newest.demoted ?? said.demoted ?? null,
  };
}

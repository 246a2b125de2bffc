import { z } from "zod";
import { type Clock, startDeadline } from "../../base/clock.ts";
import { parseIp } from "../../net/ip.ts";
import { type Resolver, withSignal } from "../../net/resolver.ts";
import { defineStage, type Stage } from "../../pipeline/stage.ts";
import type { Verdict } from "../../pipeline/verdict.ts";
import { lookUpReverse, type ReverseDnsEvidence } from "./look-up-reverse.ts";

export interface ReverseDnsServices {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

/** A zone that takes longer is temporary, with what was found so far. */
const WALL_MS = 3000;
/** Above the wall, below the connect budget of 5 s. */
const TIMEOUT_MS = 4000;

const options = z.strictObject({
  /** No name at all. Most postmasters want just that one exists (field-notes.md B22). */
  none: z.enum(["stamp", "reject"]).default("stamp"),
  /** Names, and none of them has the address. */
  unconfirmed: z.enum(["stamp", "reject"]).default("stamp"),
  temporary: z.enum(["stamp", "defer"]).default("stamp"),
  scores: z
    .strictObject({
      none: z.number().default(1),
      unconfirmed: z.number().default(1),
      generic: z.number().default(0.5),
      temporary: z.number().default(0),
    })
    .prefault({}),
});

type ReverseDnsOptions = z.infer<typeof options>;

/** Whether the client's address has a name, and the name the address. */
export const reverseDnsStage: Stage<"connect", ReverseDnsServices> = defineStage<
  "connect",
  ReverseDnsOptions,
  ReverseDnsEvidence,
  ReverseDnsServices
>({
  name: "reverse-dns",
  phase: "connect",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: true,
  concerns: "strangers",
  judges: "origin",
  precedes: ["pregreet"],
  file: "connection",
  section: "reverse-dns",
  options,

  async observe({ client, dns }, _options, { resolver, clock }, signal) {
    const ip = parseIp(client.ip);
    if (!ip) throw new Error(`no IP address: ${client.ip}`);
    const wall = startDeadline(clock, WALL_MS, signal);
    try {
      return await lookUpReverse(ip, resolver, withSignal(dns, wall.signal));
    } finally {
      wall.clear();
    }
  },

  judge(evidence, { none, unconfirmed, temporary, scores }): Verdict {
    const { status, names, client } = evidence;
    const shown = names.map(({ name }) => name).join(", ");
    if (status === "confirmed")
      return { kind: "neutral", findings: genericFindings(evidence, scores) };
    if (status === "temporary") {
      const detail = evidence.reason ?? shown;
      const findings = [{ symbol: "REVERSE_TEMPERROR", score: scores.temporary, detail }];
      if (temporary === "stamp") return { kind: "neutral", findings };
      return { kind: "defer", cause: "check-unavailable", findings };
    }
    const isNone = status === "none";
    const findings = [
      isNone
        ? { symbol: "REVERSE_NONE", score: scores.none, detail: client }
        : { symbol: "REVERSE_UNCONFIRMED", score: scores.unconfirmed, detail: shown },
      ...genericFindings(evidence, scores),
    ];
    if ((isNone ? none : unconfirmed) === "stamp") return { kind: "neutral", findings };
    return { kind: "reject", cause: "reverse-name", about: { client }, findings };
  },
});

/** Of names that have the address when there are such: one proper name is enough. */
function genericFindings(
  { names, status }: ReverseDnsEvidence,
  { generic: score }: ReverseDnsOptions["scores"],
) {
  const counted = names.filter((name) => status !== "confirmed" || name.status === "confirmed");
  if (counted.length === 0 || counted.some(({ generic }) => generic === null)) return [];
  const detail = counted.map(({ name, generic }) => `${name}: ${generic}`).join("; ");
  return [{ symbol: "REVERSE_GENERIC", score, detail }];
}

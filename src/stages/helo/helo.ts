import { type Clock, startDeadline } from "../../base/clock.ts";
import { canonicalIp } from "../../net/ip.ts";
import { machineAddresses } from "../../net/machine-addresses.ts";
import { type LookupScope, type Resolver, withSignal } from "../../net/resolver.ts";
import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { type HeloOptions, heloOptions } from "./helo-options.ts";
import { judgeHelo } from "./judge-helo.ts";

export interface HeloServices {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

/** Plain JSON. */
export type HeloEvidence = {
  /** Lower case, without a final dot. */
  readonly name: string;
  readonly form: HeloForm;
  /** That a literal or a bare address names; null for a name. */
  readonly address: string | null;
  /** This machine has that address. */
  readonly isOurAddress: boolean;
  /** Null: there was nothing to look up. */
  readonly lookup: {
    readonly status: "found" | "none" | "temporary";
    readonly addresses: readonly string[];
    readonly reason: string | null;
  } | null;
};

type HeloForm = "domain" | "literal" | "bare-address" | "single-label" | "malformed";

/** The phase has 2 s; a slow zone is no reason to keep the client waiting. */
const WALL_MS = 1500;
const TIMEOUT_MS = 1900;
/** As many as evidence keeps. */
const MAX_ADDRESSES = 8;

/** What the client calls himself: nobody has to say the truth, and programs that send spam don't. */
export const heloStage: Stage<"helo", HeloServices> = defineStage<
  "helo",
  HeloOptions,
  HeloEvidence,
  HeloServices
>({
  name: "helo",
  phase: "helo",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: true,
  concerns: "strangers",
  judges: "origin",
  file: "connection",
  section: "helo",
  options: heloOptions,

  async observe({ helo, dns }, _options, { resolver, clock }, signal) {
    const name = helo.name.toLowerCase().replace(/\.$/, "");
    const form = formOf(name);
    const address = addressIn(name);
    const isOurAddress = address !== null && machineAddresses().includes(address);
    const base = { name, form, address, isOurAddress };
    if (form !== "domain") return { ...base, lookup: null };
    const wall = startDeadline(clock, WALL_MS, signal);
    try {
      return { ...base, lookup: await lookUp(name, resolver, withSignal(dns, wall.signal)) };
    } finally {
      wall.clear();
    }
  },

  judge: judgeHelo,
});

/** RFC 5321 4.1.1.1 and 2.3.5: a domain that can be resolved, or a literal in brackets. */
function formOf(name: string): HeloForm {
  if (name.startsWith("[")) return addressIn(name) === null ? "malformed" : "literal";
  if (canonicalIp(name) !== null) return "bare-address";
  if (!name.includes(".")) return "single-label";
  // The letter-digit-hyphen rule; and no top-level domain is a number (RFC 3696 2).
  return name.includes("_") || /\.\d+$/.test(name) ? "malformed" : "domain";
}

function addressIn(name: string): string | null {
  return canonicalIp(name.replace(/^\[(?:ipv6:)?/, "").replace(/\]$/, ""));
}

async function lookUp(
  name: string,
  resolver: Resolver,
  scope: LookupScope,
): Promise<HeloEvidence["lookup"]> {
  const answers = await Promise.all([
    resolver.lookup(name, "A", scope),
    resolver.lookup(name, "AAAA", scope),
  ]);
  const addresses = answers.flatMap((answer) => (answer.kind === "found" ? answer.records : []));
  if (addresses.length > 0)
    return { status: "found", addresses: addresses.slice(0, MAX_ADDRESSES), reason: null };
  for (const answer of answers)
    if (answer.kind === "temporary" || answer.kind === "exhausted")
      return { status: "temporary", addresses: [], reason: answer.reason };
  const [first] = answers;
  return { status: "none", addresses: [], reason: first.kind === "found" ? null : first.reason };
}

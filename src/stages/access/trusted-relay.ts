import { type RelayEvidence, TRUSTED_RELAY_STAGE } from "../../pipeline/origin.ts";
import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import { type AccessOptions, accessOptions } from "./access-options.ts";
import { followRelays } from "./relay-chain.ts";

/** Header fields in memory. */
const TIMEOUT_MS = 1000;

/**
 * Where a trusted relay has the mail from. The gateway runs it before the rest of the phase, and for
 * such mail only; with what it finds it runs the stages that judge the origin (gateway/origin.ts).
 */
export const trustedRelayStage: Stage<"data", unknown> = defineStage<
  "data",
  AccessOptions,
  RelayEvidence | null,
  unknown
>({
  name: TRUSTED_RELAY_STAGE,
  phase: "data",
  timeoutMs: TIMEOUT_MS,
  onFailure: "hold",
  trustable: true,
  concerns: "strangers",
  file: "access",
  options: accessOptions,

  observe: async ({ client, helo, message, receivedAt }, options) =>
    followRelays({
      client: client.ip,
      helo: helo.name,
      received: message.headers.all("received").map(({ rawValue }) => rawValue),
      relayOf: (ip) => options.relays.find(ip, receivedAt),
    }),

  judge(evidence, options, { client, receivedAt }): Verdict {
    if (evidence === null) return NEUTRAL;
    const { origin, problem } = evidence;
    if (origin !== null)
      return { kind: "neutral", findings: [{ symbol: "RELAYED", score: 0, detail: origin.ip }] };
    const findings = [{ symbol: "RELAY_UNREADABLE", score: 0, detail: problem ?? "" }];
    // Whoever can make our relay write what we cannot read must not get past all checks by it.
    const { unreadable } = options.relays.find(client.ip, receivedAt) ?? {
      unreadable: "quarantine",
    };
    if (unreadable === "stamp") return { kind: "neutral", findings };
    return { kind: "quarantine", cause: "origin-unknown", findings };
  },
});

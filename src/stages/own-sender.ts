import { z } from "zod";
import { defineStage, type Stage } from "../pipeline/stage.ts";
import { NEUTRAL } from "../pipeline/verdict.ts";
import type { OwnSenders } from "../policy/snapshot.ts";

/** A look-up in memory. */
const TIMEOUT_MS = 1000;

/**
 * Our users send as our users: who logs on to send under the name of somebody else's domain has most
 * likely stolen the password. The null sender is anybody's.
 */
export const ownSenderStage: Stage<"mail", unknown> = defineStage<
  "mail",
  OwnSenders,
  null,
  unknown
>({
  name: "own-sender",
  phase: "mail",
  timeoutMs: TIMEOUT_MS,
  onFailure: "closed",
  trustable: false,
  concerns: "ours",
  file: "pipeline",
  // The policy loader makes them of pipeline.yaml and domains.yaml.
  options: z.custom<OwnSenders>(),

  observe: async () => null,

  judge(_evidence, options, { relay, sender }) {
    if (relay === null || sender === null || !options.of.includes(relay.by)) return NEUTRAL;
    if (options.owns(sender.domain)) return NEUTRAL;
    const detail = `${sender.domain} is no accepted domain`;
    const findings = [{ symbol: "SENDER_NOT_OURS", score: 0, detail }];
    return { kind: "reject", cause: "sender-not-ours", findings };
  },
});

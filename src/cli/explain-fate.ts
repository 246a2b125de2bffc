import { remedyFor } from "../gateway/replies.ts";
import type { Fact, PassedOver, TransactionRecord } from "../pipeline/facts.ts";
import type { RemoteTls } from "../smtp/remote-tls.ts";
import { formatTime } from "./time-words.ts";

/** What was decided, for whom, because of what, and what the client was told. */
export function describeDecision(record: TransactionRecord): readonly string[] {
  const { action, stage, cause, score, scl, recipients, reply } = record;
  const what = cause === null ? action : `${action}, cause ${cause}`;
  const who = stage === null ? "" : `, decided by the stage ${stage}`;
  const remedy = remedyOf(record);
  return [
    `${what}${who}; score ${score}, SCL ${scl}`,
    ...recipients.map((recipient) => {
      const why = recipient.cause === null ? "" : ` (${recipient.cause})`;
      return `<${recipient.address}>: ${recipient.action}${why}; at RCPT: ${recipient.reply}`;
    }),
    reply === "" ? "the client was told nothing more" : `the client was told: ${reply}`,
    outcomeOf(record),
    ...(remedy ? [`what helps: ${remedy}`] : []),
  ];
}

function outcomeOf({ action, via }: TransactionRecord): string {
  if (via === "hub") return "the hub had accepted the message before we answered";
  if (via === "spool") return "the message was safe in the spool before we answered";
  if (via === "quarantine") return "the message was safe in quarantine before we answered";
  if (action === "dropped") return "the client ended the transaction before a reply to data";
  return "nothing was kept: the message stayed with the client";
}

/** A stored cause may be one that this version no longer knows. */
function remedyOf({ cause }: TransactionRecord): string | null {
  try {
    return cause === null ? null : remedyFor(cause);
  } catch {
    return null;
  }
}

/** What became of it after our reply, one line an event. */
export function describeFate(fate: readonly Fact[]): readonly string[] {
  return fate.map((fact) => `${formatTime(fact.at)}  ${sentence(fact)}`);
}

function sentence(fact: Fact): string {
  switch (fact.kind) {
    case "delivered":
      return `delivered to ${fact.hub ?? "the hub"}${way(fact)} for ${people(fact)}: ${fact.reply}`;
    case "deferred":
      return `put off for ${people(fact)}${at(fact)}${way(fact)}: ${fact.reply}`;
    case "refused":
      return `refused for ${people(fact)}${at(fact)}${way(fact)}: ${fact.reply}`;
    case "bounced":
      return `a bounce for ${people(fact)} went to <${fact.bounceTo}>: ${fact.reply}`;
    case "told-of-delay":
      return `told <${fact.bounceTo}> of the delay for ${people(fact)}: ${fact.reply}`;
    case "told-of-relay":
      return `told <${fact.bounceTo}>, who asked for it, that it was passed on for ${people(fact)}: ${fact.reply}`;
    case "bounce-dropped":
      return `a notice to ${people(fact)} could not be delivered and was dropped: ${fact.reply}`;
    case "held":
      return `held as ${fact.holdId} for ${people(fact)}, cause ${fact.cause}`;
    case "released":
      return `${fact.holdId} was released by ${fact.by} for ${people(fact)}`;
    case "deleted":
      return `${fact.holdId} was deleted by ${fact.by}`;
    case "queue-held":
      return `held in the queue by ${fact.by} for ${people(fact)}${because(fact)}`;
    case "queue-released":
      return `let go in the queue by ${fact.by} for ${people(fact)}`;
    case "queue-dropped":
      return `dropped from the queue by ${fact.by} for ${people(fact)}${because(fact)}`;
    case "decided":
    case "policy-reloaded":
      return fact.kind;
    default:
      return `another version of the gateway noted: ${JSON.stringify(fact)}`;
  }
}

function people({ recipients }: { readonly recipients: readonly string[] }): string {
  return recipients.map((address) => `<${address}>`).join(", ");
}

interface Way {
  readonly address?: string;
  readonly tls?: RemoteTls | null;
  readonly tlsPolicy?: string;
  readonly passedOver?: readonly PassedOver[];
}

/** ` (192.0.2.1, TLSv1.3, certificate for mx.example.net)`; nothing of a record without it. */
function way({ address, tls, tlsPolicy, passedOver = [] }: Way): string {
  const policy = tlsPolicy === undefined ? [] : [tlsPolicy];
  const session = [address, ...(tls ? secured(tls) : ["in the clear"]), ...policy].join(", ");
  const others = passedOver.map(({ hub, reason }) => `not ${hub ?? "another server"}: ${reason}`);
  const all = [...(address === undefined ? [] : [session]), ...others];
  return all.length === 0 ? "" : ` (${all.join("; ")})`;
}

function secured({ protocol, verified, match, unmet }: RemoteTls): readonly string[] {
  const proofs: { readonly [V in RemoteTls["verified"]]: string } = {
    no: unmet ? `not verified: ${unmet.reason}` : "certificate not checked",
    ca: `certificate for ${match}`,
    pin: `pinned ${match?.slice(0, SHOWN_PIN_CHARS)}…`,
    dane: `DANE ${match}`,
  };
  return [protocol, proofs[verified]];
}

/** Enough to tell which of a few pins it was. */
const SHOWN_PIN_CHARS = 16;

function because({ reason }: { readonly reason: string }): string {
  return reason === "" ? "" : `: ${reason}`;
}

function at({ hub }: { readonly hub: string | null }): string {
  return hub === null ? "" : ` by ${hub}`;
}

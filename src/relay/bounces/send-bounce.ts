import { randomBytes } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { returnAddress } from "../../mail/envelope.ts";
import type { MessageSource } from "../../mail/message.ts";
import type { FactBus } from "../../pipeline/facts.ts";
import type { Limits } from "../../policy/limits.ts";
import type { BounceKind, Spool } from "../../spool/spool.ts";
import type { SignOwnMail } from "../mail-signer.ts";
import { MAX_HEADER_BYTES, readHeaders } from "../read-headers.ts";
import type { Leg } from "../relay.ts";
import { type Bounce, toBounce } from "./bounce.ts";
import { forSender, withHeaders } from "./returned-message.ts";
import { describeTold, hubOf, type Told } from "./told.ts";

export interface SendBounceDeps {
  readonly spool: Pick<Spool, "add">;
  /** A bounce is due. */
  readonly wake: () => void;
  readonly facts: FactBus;
  readonly clock: Clock;
  readonly hostname: string;
  readonly limits: () => Limits["delivery"];
  /** Absent: bounces go without a signature. */
  readonly signOwnMail?: SignOwnMail;
}

/** What is larger goes back without its body, whatever RET said: a bounce is no second delivery. */
const MAX_RETURNED_BYTES = 1024 * 1024;
const TOKEN_BYTES = 12;

/**
 * Puts a bounce for the sender of the leg into the spool; durable when it resolves. Whether he may
 * be told is for the caller to know. Throws what the spool and the source throw.
 */
export async function sendBounce(
  deps: SendBounceDeps,
  kind: BounceKind,
  leg: Leg,
  source: MessageSource,
  told: readonly Told[],
): Promise<void> {
  const sender = returnAddress(leg.envelope);
  if (sender === null) throw new TypeError("a bounce of a bounce");
  const now = deps.clock.now();
  const { source: plain, needs } = await write(deps, kind, leg, source, told, now);
  const made = (await deps.signOwnMail?.(plain)) ?? plain;
  await deps.spool.add(
    {
      transactionId: leg.transactionId,
      envelope: {
        sender: null,
        // RFC 3461: nobody is told what becomes of a bounce, by us or by the next server.
        recipients: [{ address: sender, notify: ["NEVER"] }],
        mail: { body: needs.eightBitMime ? "8bitmime" : "7bit", smtputf8: needs.smtpUtf8 },
      },
      senderAuthenticated: false,
      needs,
      receivedAt: now,
      dueAt: now,
      reason: "a bounce",
      bounce: kind,
    },
    made,
  );
  deps.wake();
  deps.facts.emit({
    kind: FACTS[kind],
    at: now,
    id: leg.transactionId,
    recipients: told.map(({ recipient }) => recipient.address.spoken),
    hub: hubOf(told),
    reply: describeTold(told),
    bounceTo: sender.spoken,
  });
}

async function write(
  { hostname, limits }: SendBounceDeps,
  kind: BounceKind,
  leg: Leg,
  source: MessageSource,
  told: readonly Told[],
  now: number,
): Promise<Bounce> {
  const all = await readHeaders(source);
  const headers = forSender(all, leg.fieldOrigins);
  // Of a longer section the rest would go back as it is now.
  const isKnownWhole = all.length < MAX_HEADER_BYTES;
  return toBounce(kind, leg, told, {
    hostname,
    now,
    retryUntil: leg.receivedAt + limits().giveUpAfterSeconds * 1000,
    headers,
    token: randomBytes(TOKEN_BYTES).toString("hex"),
    whole:
      isKnownWhole && goesBackWhole(kind, leg, source) ? withHeaders(source, all, headers) : null,
  });
}

const FACTS = { failed: "bounced", delayed: "told-of-delay", relayed: "told-of-relay" } as const;

/**
 * RFC 3461 4.3: RET is about failures only. A message with international headers goes back as ASCII
 * headers: as message/global only some mail programs could show it.
 */
function goesBackWhole(kind: BounceKind, { envelope, needs }: Leg, { size }: MessageSource) {
  const isAsked = kind === "failed" && envelope.mail.ret === "FULL";
  return isAsked && !needs.smtpUtf8 && size <= MAX_RETURNED_BYTES;
}

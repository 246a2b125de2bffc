import { errorText } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { MessageSource } from "../../mail/message.ts";
import type { Routing } from "../../policy/snapshot.ts";
import type { BounceKind } from "../../spool/spool.ts";
import { readHeaders } from "../read-headers.ts";
import type { Leg } from "../relay.ts";
import { isAutomatic, reasonForSilence } from "./bounce-rules.ts";
import { type SendBounceDeps, sendBounce } from "./send-bounce.ts";
import type { Told } from "./told.ts";

export interface NotifyDeps extends SendBounceDeps {
  readonly routing: () => Routing;
  readonly log: Log;
}

/**
 * Warns a sender who may be told that these recipients still wait. True when he needs no warning any
 * more: he has it, or nobody would read it. Never throws; false when it could not be kept, and the
 * next attempt asks again.
 */
export async function notifyDelay(
  deps: NotifyDeps,
  leg: Leg,
  source: MessageSource,
  waiting: readonly Told[],
): Promise<boolean> {
  const told = whoMayHear(deps, "delayed", leg, waiting);
  if (told.length === 0) return false;
  return kept(deps, leg, async () => {
    if (isAutomatic(await readHeaders(source))) return;
    await sendBounce(deps, "delayed", leg, source, told);
  });
}

/**
 * RFC 3461 5.2.2: a sender who asked for it hears that the message was handed to a server which will
 * not report its delivery. Never throws: the message itself is where it should be.
 */
export async function notifyRelayed(
  deps: NotifyDeps,
  leg: Leg,
  source: MessageSource,
  taken: readonly Told[],
): Promise<void> {
  const told = whoMayHear(deps, "relayed", leg, taken);
  if (told.length > 0) await kept(deps, leg, () => sendBounce(deps, "relayed", leg, source, told));
}

function whoMayHear(
  { routing }: NotifyDeps,
  kind: BounceKind,
  leg: Leg,
  all: readonly Told[],
): readonly Told[] {
  return all.filter(
    ({ recipient }) => reasonForSilence(kind, leg, recipient.notify, routing()) === null,
  );
}

async function kept(
  { log }: NotifyDeps,
  { transactionId: id }: Leg,
  work: () => Promise<void>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    log.error("bounce-not-kept", { id, reason: errorText(error) });
    return false;
  }
}
